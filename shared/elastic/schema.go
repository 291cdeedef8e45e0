package elastic

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/sluicelog/sluice/shared/period"
)

//go:embed assets/template.json
var template []byte

// SchemaVersion is the version of the index template that this build writes.
const SchemaVersion = 1

// managedBy marks what we made in Elasticsearch; nothing without it is ever changed.
const managedBy = "sluice"

// Index settings that people may choose.
type Index struct {
	Shards   int    `split_words:"true" default:"1" desc:"primary shards of each index"`
	Replicas int    `split_words:"true" default:"0" desc:"copies of each shard besides the primary; 1 or more on a cluster"`
	Refresh  string `split_words:"true" default:"1s" desc:"how soon a document is searchable"`
	Codec    string `split_words:"true" default:"best_compression" desc:"default or best_compression; default makes indices two thirds larger and saves no processor time"`
	Details  string `split_words:"true" default:"search" desc:"what can be done with Auth0's free-form details: store, search, or aggregate (search, group and sort); each costs Elasticsearch more than the one before"`
}

// ErrForeign says that something with our name exists that we did not make.
var ErrForeign = errors.New("not made by sluice")

// TemplateName is the name of a namespace's index template.
func TemplateName(namespace string) string { return "sluice-" + period.Alias(namespace) }

// SetupNamespace writes the index template of a namespace, with its alias. It can be repeated; it refuses to touch a
// template, index or data stream that is not ours. changed is false when the template was there already as wanted, or as a
// later version wants it.
func (c *Client) SetupNamespace(ctx context.Context, namespace string, opts Index) (changed bool, err error) {
	name := TemplateName(namespace)
	have, err := c.readTemplate(ctx, name)
	if err != nil {
		return false, err
	}
	if err := c.refuseForeignAlias(ctx, period.Alias(namespace)); err != nil {
		return false, err
	}
	body, err := templateBody(namespace, opts)
	if err != nil {
		return false, err
	}
	if state := have.compare(body); state == TemplateCurrent || state == TemplateNewer {
		return false, nil
	}
	_, err = c.do(ctx, "writing index template "+name, esapi.IndicesPutIndexTemplateRequest{Name: name, Body: bytes.NewReader(stamp(body))})
	return err == nil, err
}

// HasNamespace reports whether the namespace's template exists.
func (c *Client) HasNamespace(ctx context.Context, namespace string) (bool, error) {
	have, err := c.readTemplate(ctx, TemplateName(namespace))
	return have.exists, err
}

// TemplateState is how a namespace's index template compares with the one that this build would write.
type TemplateState string

// The states of a template. TemplateNewer is one that a later version of Sluice wrote: it is used as it is.
const (
	TemplateMissing TemplateState = "missing"
	TemplateCurrent TemplateState = "current"
	TemplateDiffers TemplateState = "differs"
	TemplateNewer   TemplateState = "newer"
)

// Template compares a namespace's index template with the one that SetupNamespace would write.
func (c *Client) Template(ctx context.Context, namespace string, opts Index) (TemplateState, error) {
	have, err := c.readTemplate(ctx, TemplateName(namespace))
	if err != nil {
		return "", err
	}
	body, err := templateBody(namespace, opts)
	return have.compare(body), err
}

// templateMark is what we find of a template of ours.
type templateMark struct {
	exists bool
	schema int
	mark   string
}

func (m templateMark) compare(want map[string]any) TemplateState {
	switch {
	case !m.exists:
		return TemplateMissing
	case m.schema > SchemaVersion:
		return TemplateNewer
	case m.mark != fingerprint(want):
		return TemplateDiffers
	}
	return TemplateCurrent
}

// readTemplate looks for a template; one that is not ours is ErrForeign.
func (c *Client) readTemplate(ctx context.Context, name string) (templateMark, error) {
	body, err := c.do(ctx, "reading index template "+name, esapi.IndicesGetIndexTemplateRequest{Name: name})
	if Status(err) == 404 {
		return templateMark{}, nil
	}
	if err != nil {
		return templateMark{}, err
	}
	var doc struct {
		Templates []struct {
			Template struct {
				Meta struct {
					ManagedBy string `json:"managed_by"`
					Schema    int    `json:"schema"`
					Mark      string `json:"fingerprint"`
				} `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := decode(body, &doc); err != nil {
		return templateMark{}, err
	}
	if len(doc.Templates) == 0 {
		return templateMark{}, nil
	}
	meta := doc.Templates[0].Template.Meta
	if meta.ManagedBy != managedBy {
		return templateMark{exists: true}, fmt.Errorf("index template %s: %w; remove or rename it, or use another namespace", name, ErrForeign)
	}
	return templateMark{exists: true, schema: meta.Schema, mark: meta.Mark}, nil
}

// Made is an index template or an index under our names, and whether Sluice made it.
type Made struct {
	Name      string
	Namespace string
	Ours      bool
}

// Templates lists the index templates that bear the names of ours.
func (c *Client) Templates(ctx context.Context) ([]Made, error) {
	body, err := c.do(ctx, "listing index templates", esapi.IndicesGetIndexTemplateRequest{Name: TemplateName("*")})
	if Status(err) == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc struct {
		Templates []struct {
			Name     string `json:"name"`
			Template struct {
				Meta struct {
					ManagedBy string `json:"managed_by"`
				} `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	var all []Made
	for _, t := range doc.Templates {
		all = append(all, Made{Name: t.Name, Namespace: strings.TrimPrefix(t.Name, TemplateName("")), Ours: t.Template.Meta.ManagedBy == managedBy})
	}
	slices.SortFunc(all, func(a, b Made) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// AllIndices lists the indices of all namespaces. One that does not carry its namespace's alias is not ours: it was not
// made from our template.
func (c *Client) AllIndices(ctx context.Context) ([]Made, error) {
	body, err := c.do(ctx, "listing indices", esapi.IndicesResolveIndexRequest{Name: []string{period.Index("*", "*")}, ExpandWildcards: "all"})
	if Status(err) == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc struct {
		Indices []struct {
			Name       string   `json:"name"`
			Aliases    []string `json:"aliases"`
			DataStream string   `json:"data_stream"`
		} `json:"indices"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	var all []Made
	for _, i := range doc.Indices {
		namespace, _, ok := period.Split(i.Name)
		all = append(all, Made{Name: i.Name, Namespace: namespace, Ours: ok && i.DataStream == "" && slices.Contains(i.Aliases, period.Alias(namespace))})
	}
	slices.SortFunc(all, func(a, b Made) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// RemoveTemplate removes the index template of a namespace, if it is ours; removed is false when there was none. Indices
// stay as they are.
func (c *Client) RemoveTemplate(ctx context.Context, namespace string) (removed bool, err error) {
	name := TemplateName(namespace)
	have, err := c.readTemplate(ctx, name)
	if err != nil || !have.exists {
		return false, err
	}
	_, err = c.do(ctx, "removing index template "+name, esapi.IndicesDeleteIndexTemplateRequest{Name: name})
	if Status(err) == 404 {
		return false, nil
	}
	return err == nil, err
}

// refuseForeignAlias fails when the alias is an index or a data stream, or points to indices that are not its own.
func (c *Client) refuseForeignAlias(ctx context.Context, alias string) error {
	body, err := c.do(ctx, "looking for "+alias, esapi.IndicesResolveIndexRequest{Name: []string{alias}, ExpandWildcards: "all"})
	if Status(err) == 404 {
		return nil
	}
	if err != nil {
		return err
	}
	var doc struct {
		Indices []struct {
			Name string `json:"name"`
		} `json:"indices"`
		Aliases []struct {
			Name    string   `json:"name"`
			Indices []string `json:"indices"`
		} `json:"aliases"`
		DataStreams []struct {
			Name string `json:"name"`
		} `json:"data_streams"`
	}
	if err := decode(body, &doc); err != nil {
		return err
	}
	advice := "; it may belong to Elastic's own Auth0 integration: use another namespace"
	switch {
	case len(doc.DataStreams) > 0:
		return fmt.Errorf("%s is a data stream, %w%s", alias, ErrForeign, advice)
	case len(doc.Indices) > 0:
		return fmt.Errorf("%s is an index, %w%s", alias, ErrForeign, advice)
	}
	for _, a := range doc.Aliases {
		for _, index := range a.Indices {
			if !strings.HasPrefix(index, alias+"-") {
				return fmt.Errorf("alias %s points to %s, %w%s", alias, index, ErrForeign, advice)
			}
		}
	}
	return nil
}

// templateBody fills the embedded template for one namespace.
func templateBody(namespace string, opts Index) (map[string]any, error) {
	var body map[string]any
	if err := json.Unmarshal(template, &body); err != nil {
		return nil, fmt.Errorf("reading our own index template: %w", err)
	}
	alias := period.Alias(namespace)
	body["index_patterns"] = []string{alias + "-*"}
	inner, ok := body["template"].(map[string]any)
	if !ok {
		return nil, errors.New("reading our own index template: it has no template part")
	}
	inner["aliases"] = map[string]any{alias: map[string]any{}}
	settings, ok := inner["settings"].(map[string]any)
	if !ok {
		return nil, errors.New("reading our own index template: it has no settings")
	}
	settings["number_of_shards"] = max(opts.Shards, 1)
	settings["number_of_replicas"] = opts.Replicas
	if opts.Refresh != "" {
		settings["refresh_interval"] = opts.Refresh
	}
	if opts.Codec != "" {
		settings["codec"] = opts.Codec
	}
	return body, opts.details(inner)
}

// details sets how far the free-form members of events are indexed.
func (opts Index) details(template map[string]any) error {
	var flattened map[string]any
	switch opts.Details {
	case "", "search": // as the template has it
		return nil
	case "store":
		flattened = map[string]any{"type": "object", "enabled": false}
	case "aggregate":
		flattened = map[string]any{"type": "flattened", "ignore_above": 1024, "depth_limit": 20}
	default:
		return fmt.Errorf("setting INDEXER_DETAILS: %q is none of store, search and aggregate", opts.Details)
	}
	var inner any = template
	for _, key := range []string{"mappings", "properties", "auth0", "properties", "logs", "properties", "data", "properties"} {
		object, _ := inner.(map[string]any)
		inner = object[key]
	}
	data, ok := inner.(map[string]any)
	if !ok {
		return errors.New("reading our own index template: it has no auth0.logs.data")
	}
	for _, member := range []string{"details", "body", "query"} {
		data[member] = flattened
	}
	return nil
}

// fingerprint is the canonical text of a template; Go's maps marshal with sorted keys.
func fingerprint(body map[string]any) string {
	raw, _ := json.Marshal(body) // decoded from JSON a moment ago
	return shortHash(raw)
}

// stamp adds whose the template is, so that the next setup knows it.
func stamp(body map[string]any) []byte {
	mark := fingerprint(body)
	body["_meta"] = map[string]any{"managed_by": managedBy, "schema": SchemaVersion, "fingerprint": mark}
	raw, _ := json.Marshal(body)
	delete(body, "_meta")
	return raw
}

// EnsureIndex creates an index, with alias and mapping from its template, unless it exists.
func (c *Client) EnsureIndex(ctx context.Context, index string) (created bool, err error) {
	_, err = c.do(ctx, "creating index "+index, esapi.IndicesCreateRequest{Index: index})
	if IsType(err, "resource_already_exists_exception") {
		return false, nil
	}
	return err == nil, err
}

// Indices lists the indices of a namespace, by name.
func (c *Client) Indices(ctx context.Context, namespace string) ([]string, error) {
	body, err := c.do(ctx, "listing indices", esapi.IndicesResolveIndexRequest{Name: []string{period.Alias(namespace) + "-*"}})
	if Status(err) == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc struct {
		Indices []struct {
			Name string `json:"name"`
		} `json:"indices"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	var names []string
	for _, i := range doc.Indices {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names, nil
}

// DeleteIndex removes one index; there being none is no error.
func (c *Client) DeleteIndex(ctx context.Context, index string) error {
	_, err := c.DropIndex(ctx, index)
	return err
}
