package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/stream"
)

// printRoles writes the roles for those who install them by themselves.
func (a *App) printRoles() error {
	if !a.json {
		_, err := a.Out.Write(elastic.RolesYAML())
		return err
	}
	bodies := map[string]json.RawMessage{}
	for _, role := range elastic.Roles() {
		bodies[role.Name] = role.Body
	}
	return a.print(bodies, nil)
}

// roles stores the roles of Sluice's users; one that is refused does not hold up the others.
func (w *setupWork) roles(ctx context.Context) error {
	var errs []error
	for _, role := range elastic.Roles() {
		action, err := w.Elastic.SetupRole(ctx, role)
		if noRole := w.noRoles(err); noRole != nil {
			return noRole // and so would all the others be
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		w.Changes = append(w.Changes, stream.Change{Kind: "role", Name: role.Name, Action: action})
	}
	return errors.Join(errs...)
}

const rolesAsFile = "install them as a file instead: put what `sluice setup --print-roles` prints into roles.yml, in the folder of settings of every Elasticsearch node"

// noRoles explains a refusal that concerns all roles alike; nil when it does not.
func (w *setupWork) noRoles(err error) error {
	switch {
	case errors.Is(err, elastic.ErrNoRoles):
		return fmt.Errorf("roles are not stored: security is off, or this build cannot do it; turn security on, or %s: %w", rolesAsFile, err)
	case elastic.Status(err) == http.StatusForbidden:
		return fmt.Errorf("roles are not stored: this user needs the cluster privilege manage_security for that; or %s: %w", rolesAsFile, err)
	}
	return nil
}
