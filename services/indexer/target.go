package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
)

// target is the cluster with what we want of our indices in it.
type target struct {
	*elastic.Client
	index Index
	log   *slog.Logger
}

// EnsureIndex creates an index unless it exists. Its template is looked at first: without it the index would have
// neither our mapping nor our alias.
func (t target) EnsureIndex(ctx context.Context, index string) (created bool, err error) {
	namespace, _, ok := period.Split(index)
	if !ok {
		return false, fmt.Errorf("creating index %s: it is none of ours", index)
	}
	if err := t.ensureTemplate(ctx, namespace); err != nil {
		return false, err
	}
	return t.Client.EnsureIndex(ctx, index)
}

// errNoTemplate says that a person has to run setup.
var errNoTemplate = errors.New("the index template is missing, and this user of Elasticsearch may not write it: run `sluice setup` as one that may")

// ensureTemplate writes a namespace's index template, or takes the one that `sluice setup` wrote where we may not write.
func (t target) ensureTemplate(ctx context.Context, namespace string) error {
	_, err := t.SetupNamespace(ctx, namespace, t.index)
	if status := elastic.Status(err); status != http.StatusUnauthorized && status != http.StatusForbidden {
		return err
	}
	state, lookErr := t.Template(ctx, namespace, t.index)
	switch {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case state == elastic.TemplateMissing:
		return fmt.Errorf("index template %s: %w (%w)", elastic.TemplateName(namespace), errNoTemplate, err)
	case state == elastic.TemplateDiffers:
		t.log.WarnContext(ctx, "the index template is not as this indexer would write it: it is of another version, or made with other INDEXER_ settings; "+
			"its user may not change it, so indices are made from it as it is: run `sluice setup` with the indexer's settings",
			"namespace", namespace, "template", elastic.TemplateName(namespace))
	}
	return nil
}
