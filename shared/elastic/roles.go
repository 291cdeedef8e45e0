package elastic

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

//go:embed assets/roles
var roleFiles embed.FS

// Names of the roles that Sluice's users have. A user may have several.
const (
	RoleSetup     = "sluice_setup"
	RoleIndexer   = "sluice_indexer"
	RoleReader    = "sluice_reader"
	RoleOperator  = "sluice_operator"
	RoleRetention = "sluice_retention"
)

// Role is what a user of Elasticsearch may do. Body is the JSON that the security API takes.
type Role struct {
	Name string
	Body json.RawMessage
}

// ErrNoRoles says that this Elasticsearch cannot store roles, or has no security at all.
var ErrNoRoles = errors.New("this Elasticsearch stores no roles")

// Roles are the least privileges of each of Sluice's tasks, by name.
func Roles() []Role {
	files, _ := roleFiles.ReadDir("assets/roles") // embedded
	all := make([]Role, 0, len(files))
	for _, f := range files {
		raw, _ := roleFiles.ReadFile(path.Join("assets/roles", f.Name()))
		all = append(all, Role{Name: strings.TrimSuffix(f.Name(), ".json"), Body: raw})
	}
	return all
}

// RolesYAML renders the roles as a file roles.yml, as Elasticsearch reads it from its folder of settings.
func RolesYAML() []byte {
	var out bytes.Buffer
	for _, r := range Roles() {
		_, _ = out.WriteString(r.Name + ": ")
		_ = json.Compact(&out, r.Body) // JSON is YAML
		_ = out.WriteByte('\n')
	}
	return out.Bytes()
}

// grants is what decides whether a role is as we want it; what else an answer says the server adds.
type grants struct {
	Cluster []string `json:"cluster"`
	Indices []struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	} `json:"indices"`
	Applications []any    `json:"applications"`
	RunAs        []string `json:"run_as"`
	Metadata     struct {
		ManagedBy string `json:"managed_by"`
		Schema    int    `json:"schema"`
		About     string `json:"about"`
	} `json:"metadata"`
}

// readGrants reads a role; the order of what it lists means nothing.
func readGrants(raw []byte) (grants, error) {
	g := grants{Cluster: []string{}, Applications: []any{}, RunAs: []string{}}
	if err := decode(raw, &g); err != nil {
		return g, err
	}
	slices.Sort(g.Cluster)
	for i := range g.Indices {
		slices.Sort(g.Indices[i].Names)
		slices.Sort(g.Indices[i].Privileges)
	}
	return g, nil
}

// SetupRole stores a role, or brings it up to date; action is "created", "updated" or "unchanged". A role of that name
// that is not ours is ErrForeign, a server that cannot store it ErrNoRoles.
func (c *Client) SetupRole(ctx context.Context, r Role) (action string, err error) {
	have, exists, err := c.role(ctx, r.Name)
	if err != nil {
		return "", err
	}
	want, err := readGrants(r.Body)
	if err != nil {
		return "", err
	}
	switch {
	case !exists:
		action = "created"
	case have.Metadata.Schema > want.Metadata.Schema, reflect.DeepEqual(have, want): // a later version's stays
		return "unchanged", nil
	default:
		action = "updated"
	}
	_, err = c.do(ctx, "writing role "+r.Name, esapi.SecurityPutRoleRequest{Name: r.Name, Body: bytes.NewReader(r.Body)})
	return action, noRoles(err)
}

// RemoveRole removes a role of ours; removed is false when there was none.
func (c *Client) RemoveRole(ctx context.Context, name string) (removed bool, err error) {
	if _, exists, err := c.role(ctx, name); err != nil || !exists {
		return false, err
	}
	_, err = c.do(ctx, "removing role "+name, esapi.SecurityDeleteRoleRequest{Name: name})
	if Status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, noRoles(err)
}

// HasRole reports whether a role of ours is stored.
func (c *Client) HasRole(ctx context.Context, name string) (bool, error) {
	_, exists, err := c.role(ctx, name)
	return exists, err
}

// role reads a role that was stored through the API; those in a file do not show there.
func (c *Client) role(ctx context.Context, name string) (g grants, exists bool, err error) {
	body, err := c.do(ctx, "reading role "+name, esapi.SecurityGetRoleRequest{Name: []string{name}})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && e.Type == "" && e.Reason == "" {
		return g, false, nil
	}
	if err != nil {
		return g, false, noRoles(err)
	}
	var doc map[string]json.RawMessage
	if err := decode(body, &doc); err != nil {
		return g, false, err
	}
	if doc[name] == nil {
		return g, false, nil
	}
	if g, err = readGrants(doc[name]); err != nil {
		return g, true, err
	}
	if g.Metadata.ManagedBy != managedBy {
		return g, true, fmt.Errorf("role %s: %w; rename or remove it", name, ErrForeign)
	}
	return g, true, nil
}

// noRoles marks an answer that is neither a success nor a lack of privileges: security is off, or a build without the
// parts that store roles.
func noRoles(err error) error {
	switch status := Status(err); {
	case status == 0, status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusTooManyRequests, status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoRoles, err)
}
