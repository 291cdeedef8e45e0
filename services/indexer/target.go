package indexer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
)

// target is the cluster with what we want of our indices in it.
type target struct {
	*elastic.Client
	index Index
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

// ensureTemplate writes a namespace's index template, or finds it there where we may not write it.
func (t target) ensureTemplate(ctx context.Context, namespace string) error {
	_, err := t.SetupNamespace(ctx, namespace, t.index)
	if status := elastic.Status(err); status != http.StatusUnauthorized && status != http.StatusForbidden {
		return err
	}
	if there, lookErr := t.HasNamespace(ctx, namespace); lookErr != nil || !there {
		return errors.Join(err, lookErr)
	}
	return nil
}
