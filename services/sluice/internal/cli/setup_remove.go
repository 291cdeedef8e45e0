package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// removal are the flags of setup that concern removing.
type removal struct {
	remove, dryRun, yes bool
	indices             bool
	lose                bool
}

// loseFlag is written by nobody by mistake.
const loseFlag = "lose-events-that-auth0-was-told-are-safe"

func (o *removal) register(cmd *cobra.Command) {
	v := cmd.Flags()
	v.BoolVar(&o.remove, "remove", false, "remove what setup made instead of making it")
	v.BoolVar(&o.dryRun, "dry-run", false, "with --remove: only show what would be removed")
	v.BoolVar(&o.yes, "yes", false, "with --remove: do not ask")
	v.BoolVar(&o.indices, "indices", false, "with --remove: also delete the indices, and with them every event; its user needs the role sluice_retention as well")
	v.BoolVar(&o.lose, loseFlag, false, "with --remove: go on although messages or dead letters lie there that are nowhere else")
}

// What becomes of a part.
const (
	wouldRemove = "would be removed"
	removed     = "removed"
	kept        = "kept"
)

// doomed is one thing with the way to remove it; none for one that stays.
type doomed struct {
	stream.Change
	remove func(context.Context) error
}

// removing is one run of setup --remove.
type removing struct {
	*Session
	removal
	stock  stream.Inventory
	spaces []string // namespaces of this Sluice
	others bool     // another one uses the same Elasticsearch
	plan   []doomed
}

// removalReport is what setup --remove prints with --json.
type removalReport struct {
	Parts      []stream.Change `json:"parts"`
	Unfinished uint64          `json:"unfinished_messages"`
	Letters    uint64          `json:"dead_letters"`
	Running    []string        `json:"running,omitempty"` // consumers that a service reads from
	Left       []string        `json:"left"`
}

func (a *App) removeAll(ctx context.Context, o removal, namespaces []string) error {
	session, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	r := &removing{Session: session, removal: o, spaces: namespaces}
	if err := r.look(ctx); err != nil {
		return err
	}
	if o.dryRun {
		return a.printRemoval(r)
	}
	if err := r.refuse(); err != nil {
		return errors.Join(a.printRemoval(r), err)
	}
	if n := r.count(wouldRemove); n > 0 {
		if err := a.confirm(r.question(n), o.yes); err != nil {
			return err
		}
	}
	if err := r.closeIntake(ctx); err != nil {
		return err
	}
	err = r.execute(ctx)
	return errors.Join(a.printRemoval(r), err)
}

// closeIntake lets nothing more be acknowledged, and looks once more: a receiver may have gone on while the person read, or
// may be one that was not seen. Unless all that was acknowledged may go, the intake is opened again.
func (r *removing) closeIntake(ctx context.Context) error {
	open, err := r.Conn.CloseIntake(ctx)
	if err == nil {
		r.stock, err = r.Conn.Inventory(ctx)
	}
	if err == nil {
		err = r.refuse()
	}
	if err == nil {
		return nil
	}
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if failed := open(again); failed != nil {
		err = errors.Join(err, fmt.Errorf("receivers answer 503 until `sluice setup` is run: %w", failed))
	}
	return err
}

// look makes the plan; nothing is changed yet.
func (r *removing) look(ctx context.Context) error {
	var err error
	if r.stock, err = r.Conn.Inventory(ctx); err != nil {
		return err
	}
	if err := r.lookAtRegistry(ctx); err != nil {
		return err
	}
	if err := r.lookAtElastic(ctx); err != nil {
		return err
	}
	for _, p := range r.stock.Parts {
		r.add(p.Kind, p.Name, p.Ours, func(ctx context.Context) error { return r.Conn.Remove(ctx, p) })
	}
	return nil
}

// lookAtRegistry adds the namespaces of the registry. Another Sluice may use the same Elasticsearch with others.
func (r *removing) lookAtRegistry(ctx context.Context) error {
	mine := slices.ContainsFunc(r.stock.Parts, func(p stream.Piece) bool { return p.Name == stream.BucketEndpoints && p.Ours })
	if !mine {
		return nil
	}
	registry, err := endpoint.Open(ctx, r.Conn)
	if err != nil {
		return err
	}
	known, err := registry.Namespaces(ctx)
	for _, n := range known {
		r.spaces = append(r.spaces, n.Name)
	}
	return err
}

func (r *removing) lookAtElastic(ctx context.Context) error {
	templates, err := r.Elastic.Templates(ctx)
	if err != nil {
		return err
	}
	for _, t := range templates {
		if t.Ours && !slices.Contains(r.spaces, t.Namespace) {
			r.others = true
			r.keep("index template", t.Name, "not of a namespace of this registry; with --namespace "+t.Namespace+" it goes, too")
			continue
		}
		r.add("index template", t.Name, t.Ours, func(ctx context.Context) error {
			_, err := r.Elastic.RemoveTemplate(ctx, t.Namespace)
			return err
		})
	}
	indices, err := r.Elastic.AllIndices(ctx)
	if err != nil {
		return err
	}
	for _, i := range indices {
		if !slices.Contains(r.spaces, i.Namespace) {
			continue
		}
		if !r.indices && i.Ours {
			r.keep("index", i.Name, "--indices deletes it")
			continue
		}
		r.add("index", i.Name, i.Ours, func(ctx context.Context) error { return r.Elastic.DeleteIndex(ctx, i.Name) })
	}
	return r.lookAtRoles(ctx)
}

// lookAtRoles finds the stored roles. A user that may not see them leaves them where they are.
func (r *removing) lookAtRoles(ctx context.Context) error {
	for _, role := range elastic.Roles() {
		there, err := r.Elastic.HasRole(ctx, role.Name)
		switch {
		case errors.Is(err, elastic.ErrNoRoles):
			return nil // security is off, so there are none
		case elastic.Status(err) == http.StatusForbidden:
			r.keep("role", "sluice_*", "this user may not see roles: that takes the cluster privilege manage_security")
			return nil
		case err != nil && !errors.Is(err, elastic.ErrForeign):
			return err
		case there && err == nil && r.others:
			r.keep("role", role.Name, "another Sluice uses this Elasticsearch")
		case there:
			r.add("role", role.Name, err == nil, func(ctx context.Context) error {
				_, err := r.Elastic.RemoveRole(ctx, role.Name)
				return err
			})
		}
	}
	return nil
}

func (r *removing) add(kind, name string, ours bool, remove func(context.Context) error) {
	d := doomed{Change: stream.Change{Kind: kind, Name: name, Action: wouldRemove}, remove: remove}
	if !ours {
		r.keep(kind, name, "not made by sluice")
		return
	}
	r.plan = append(r.plan, d)
}

func (r *removing) keep(kind, name, why string) {
	r.plan = append(r.plan, doomed{Change: stream.Change{Kind: kind, Name: name, Action: kept, Detail: why}})
}

// refuse says why it is not the time to remove anything.
func (r *removing) refuse() error {
	switch {
	case len(r.stock.Busy) > 0:
		return fmt.Errorf("nothing was removed: services are running (something reads from %s); stop receivers, enrichers and indexers first", strings.Join(r.stock.Busy, ", "))
	case r.stock.Unfinished+r.stock.Letters > 0 && !r.lose:
		return fmt.Errorf("nothing was removed: %d messages are not finished and %d dead letters lie there; their events are nowhere else. "+
			"Let the services finish and replay or discard the letters, or give --%s", r.stock.Unfinished, r.stock.Letters, loseFlag)
	}
	return nil
}

func (r *removing) question(n int) string {
	text := fmt.Sprintf("remove %s of Sluice in NATS and Elasticsearch, endpoints and their tokens among them?", counted(n, "part"))
	if r.indices {
		text += " With the indices go all events."
	}
	if r.stock.Unfinished+r.stock.Letters > 0 {
		text += fmt.Sprintf(" %d messages and %d dead letters that are nowhere else go too.", r.stock.Unfinished, r.stock.Letters)
	}
	return text
}

// execute removes in the order of the plan and stops at the first failure; the rest can be removed by another run.
func (r *removing) execute(ctx context.Context) error {
	for i := range r.plan {
		d := &r.plan[i]
		if d.remove == nil {
			continue
		}
		if err := d.remove(ctx); err != nil {
			return fmt.Errorf("%w (run the same again for the rest; until then receivers answer 503, `sluice setup` makes everything anew)", err)
		}
		d.Action = removed
	}
	return nil
}

func (r *removing) count(action string) (n int) {
	for _, d := range r.plan {
		if d.Action == action {
			n++
		}
	}
	return n
}

// left names what no command of ours removes.
func (r *removing) left() []string {
	left := []string{
		"users, and roles from a file, in Elasticsearch; accounts and users in NATS",
		"Auth0's log streams: delete them there, else Auth0 goes on posting",
		"the state folder of an all-in-one",
	}
	if !r.indices {
		left = append([]string{"indices and their events, in Elasticsearch (--indices deletes them)"}, left...)
	}
	return left
}

func (a *App) printRemoval(r *removing) error {
	out := removalReport{Parts: []stream.Change{}, Unfinished: r.stock.Unfinished, Letters: r.stock.Letters, Running: r.stock.Busy, Left: r.left()}
	for _, d := range r.plan {
		out.Parts = append(out.Parts, d.Change)
	}
	return a.print(out, func(w io.Writer) {
		if len(out.Parts) == 0 {
			fmt.Fprintln(w, "Nothing that setup makes is there.")
		} else {
			writeChanges(w, out.Parts)
		}
		fmt.Fprintln(w, "\nNot touched:")
		for _, line := range out.Left {
			fmt.Fprintf(w, "  - %s\n", line)
		}
	})
}
