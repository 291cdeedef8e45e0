package elastic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/sluicelog/sluice/shared/period"
)

// Clocks returns the time on each node. It needs the cluster privilege monitor.
func (c *Client) Clocks(ctx context.Context) ([]time.Time, error) {
	body, err := c.do(ctx, "asking for the nodes' time", esapi.NodesStatsRequest{Metric: []string{"process"}, FilterPath: []string{"nodes.*.timestamp"}})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Nodes map[string]struct {
			Timestamp int64 `json:"timestamp"`
		} `json:"nodes"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	var all []time.Time
	for _, n := range doc.Nodes {
		all = append(all, time.UnixMilli(n.Timestamp).UTC())
	}
	if len(all) == 0 {
		return nil, errors.New("asking for the nodes' time: the answer names none")
	}
	return all, nil
}

// Members lists the indices of a namespace by name: those that have both the form of our names and our alias. Whatever
// only looks like one of them is nobody's to delete.
func (c *Client) Members(ctx context.Context, namespace string) ([]string, error) {
	alias := period.Alias(namespace)
	body, err := c.do(ctx, "listing the indices of "+alias, esapi.IndicesGetAliasRequest{Name: []string{alias}, ExpandWildcards: "all"})
	if Status(err) == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc map[string]struct {
		Aliases map[string]any `json:"aliases"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	var names []string
	for _, index := range slices.Sorted(maps.Keys(doc)) {
		owner, name, ok := period.Split(index)
		_, dated := doc[index].Aliases[alias]
		if _, _, known := period.Span(name); ok && dated && owner == namespace && (known || name == period.Undated) {
			names = append(names, index)
		}
	}
	return names, nil
}

// Size is what an index holds.
type Size struct {
	Documents int64
	Bytes     int64
}

// Sizes returns what the indices of a namespace hold. It needs the privilege monitor on them.
func (c *Client) Sizes(ctx context.Context, namespace string) (map[string]Size, error) {
	body, err := c.do(ctx, "asking for the size of indices", esapi.CatIndicesRequest{
		Index: []string{period.Alias(namespace) + "-*"}, Format: "json", H: []string{"index", "docs.count", "store.size"}, Bytes: "b",
	})
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Index     string `json:"index"`
		Documents string `json:"docs.count"`
		Bytes     string `json:"store.size"`
	}
	if err := decode(body, &rows); err != nil {
		return nil, err
	}
	all := map[string]Size{}
	for _, r := range rows {
		var s Size
		s.Documents, _ = strconv.ParseInt(r.Documents, 10, 64) // empty for a closed index
		s.Bytes, _ = strconv.ParseInt(r.Bytes, 10, 64)
		all[r.Index] = s
	}
	return all, nil
}

// DropIndex deletes one index by its whole name; dropped is false when it was not there.
func (c *Client) DropIndex(ctx context.Context, index string) (dropped bool, err error) {
	if strings.ContainsAny(index, "*,?") {
		return false, fmt.Errorf("deleting index %q: only one index by its whole name", index)
	}
	_, err = c.do(ctx, "deleting index "+index, esapi.IndicesDeleteRequest{Index: []string{index}})
	if Status(err) == 404 {
		return false, nil
	}
	return err == nil, err
}
