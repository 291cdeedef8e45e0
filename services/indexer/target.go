package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sluicelog/sluice/services/indexer/internal/bulk"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
)

// target is the cluster with what we want of our indices in it.
type target struct {
	*elastic.Client
	index     Index
	registry  *endpoint.Registry
	directory *endpoint.Directory
	log       *slog.Logger
}

// EnsureIndex creates an index unless it exists, or says that it may not exist any more: bulk.ErrExpired. Its template is
// looked at first: without it the index would have neither our mapping nor our alias.
func (t target) EnsureIndex(ctx context.Context, index string) (created bool, err error) {
	namespace, name, ok := period.Split(index)
	if !ok {
		return false, fmt.Errorf("creating index %s: it is none of ours", index)
	}
	expired, err := t.expired(ctx, namespace, name)
	if err == nil && expired {
		err = fmt.Errorf("creating index %s: %w", index, bulk.ErrExpired)
	}
	if err != nil {
		return false, err
	}
	if err := t.ensureTemplate(ctx, namespace); err != nil {
		return false, err
	}
	return t.Client.EnsureIndex(ctx, index)
}

// expired reports whether retention has deleted a period's index, or will. That an index is inside the retention may be
// an old truth: what is deleted was expired for a day (period.Margin), and by a retention that every service has heard of
// for an hour (endpoint.Settle). That it is outside must be true now, because documents are given up for it.
func (t target) expired(ctx context.Context, namespace, name string) (bool, error) {
	ns, known := t.directory.Namespace(namespace)
	if known && !period.Expired(name, ns.Retention, time.Now()) {
		return false, nil
	}
	return t.registry.Expired(ctx, namespace, name)
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
