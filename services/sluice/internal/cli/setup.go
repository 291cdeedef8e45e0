package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// defaultNamespace is the one that exists without anybody asking for it.
const defaultNamespace = "default"

// setupSettings size the streams. How indices are made is the indexer's to say (INDEXER_SHARDS and so on): it writes the
// same templates, and two sources would overwrite each other's.
type setupSettings struct {
	stream.Topology
}

// setupOptions are the flags of setup.
type setupOptions struct {
	namespaces        []string
	wait              time.Duration
	roles, printRoles bool
	removal
}

// setupCommand makes streams, buckets, consumers, index templates and roles.
func (a *App) setupCommand() *cobra.Command {
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Create or update streams, consumers and index templates",
		Long: `Setup makes what the services need: streams, buckets and consumers in NATS, and an index template for each namespace in
Elasticsearch. It can be repeated; it changes what may change and refuses what would lose data or is not Sluice's.

The sizes of the streams come from STREAM_DELIVERIES_MAX_BYTES, STREAM_DOCUMENTS_MAX_BYTES, STREAM_DEAD_LETTERS_MAX_BYTES,
STREAM_REPLICAS and STREAM_DUPLICATE_WINDOW; those of the indices from the indexer's settings INDEXER_SHARDS,
INDEXER_REPLICAS, INDEXER_REFRESH and INDEXER_CODEC. The all-in-one does all this by itself.

With --roles it also stores, in Elasticsearch, the roles sluice_setup, sluice_indexer, sluice_reader, sluice_operator
and sluice_retention: what each of Sluice's users must be allowed, and no more. Its own user needs the cluster privilege manage_security for that.
Where roles come from files, --print-roles prints them as roles.yml and asks nobody.

With --remove it takes back what it made, and nothing else: consumers, streams, buckets, index templates and stored roles,
for the namespaces of its registry and those given with --namespace. Indices, and the events in them, stay unless --indices is given. It refuses while a service is running, and while messages
wait that are not searchable yet.`,
		Example: "  sluice setup --wait 2m\n  sluice setup --namespace payments\n  sluice setup --print-roles >> /etc/elasticsearch/roles.yml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.printRoles {
				return a.printRoles()
			}
			if o.remove {
				return a.removeAll(cmd.Context(), o.removal, o.namespaces)
			}
			return a.setup(cmd.Context(), o)
		},
	}
	cmd.Flags().StringArrayVar(&o.namespaces, "namespace", nil, "also make, or remove, this namespace; may be repeated")
	cmd.Flags().DurationVar(&o.wait, "wait", 0, "wait so long for servers that are still starting")
	cmd.Flags().BoolVar(&o.roles, "roles", false, "also store the roles of Sluice's users in Elasticsearch")
	cmd.Flags().BoolVar(&o.printRoles, "print-roles", false, "only print the roles: as roles.yml, with --json as the bodies that the security API takes")
	o.register(cmd)
	return cmd
}

// setupWork is one run of setup.
type setupWork struct {
	*Session
	settings   setupSettings
	indexer    indexer.Config
	namespaces []string
	Changes    []stream.Change
}

func (a *App) setup(ctx context.Context, o setupOptions) error {
	w := &setupWork{namespaces: append([]string{defaultNamespace}, o.namespaces...), Changes: []stream.Change{}}
	if err := errors.Join(config.Load("stream", &w.settings), config.Load("indexer", &w.indexer)); err != nil {
		return err
	}
	for _, name := range w.namespaces {
		if err := stream.CheckNamespace(name); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(o.wait)
	dial, cancel := context.WithTimeout(ctx, max(o.wait, 10*time.Second))
	defer cancel()
	var err error
	if w.Session, err = a.open(dial); err != nil {
		return err
	}
	defer w.Close()
	err = w.streams(ctx, deadline)
	if err == nil {
		err = w.templates(ctx, deadline)
	}
	if err == nil && o.roles {
		err = w.roles(ctx)
	}
	return errors.Join(a.print(w.Changes, w.write), err)
}

func (w *setupWork) write(out io.Writer) {
	if len(w.Changes) > 0 {
		writeChanges(out, w.Changes)
	}
}

func writeChanges(out io.Writer, changes []stream.Change) {
	fmt.Fprintln(out, "KIND\tNAME\tACTION")
	for _, c := range changes {
		fmt.Fprintf(out, "%s\t%s\t%s", c.Kind, c.Name, c.Action)
		if c.Detail != "" {
			fmt.Fprintf(out, " (%s)", c.Detail)
		}
		fmt.Fprintln(out)
	}
}

// streams makes everything in NATS and completes the list of namespaces from the registry.
func (w *setupWork) streams(ctx context.Context, deadline time.Time) error {
	if err := until(ctx, deadline, w.Conn.Ready); err != nil {
		return err
	}
	changes, err := w.Conn.Setup(ctx, w.settings.Topology)
	w.Changes = append(w.Changes, changes...)
	if err != nil {
		return err
	}
	if err := w.register(ctx); err != nil {
		return err
	}
	return w.Conn.BeginCounting(ctx)
}

// register makes the wanted namespaces' consumers and records them, and does the same for those it finds on record.
func (w *setupWork) register(ctx context.Context) error {
	registry, err := endpoint.Open(ctx, w.Conn)
	if err != nil {
		return err
	}
	for _, name := range w.namespaces {
		changes, err := w.Conn.SetupNamespace(ctx, name) // before the indexers hear of the namespace
		w.Changes = append(w.Changes, changes...)
		if err != nil {
			return err
		}
		if err := registry.EnsureNamespace(ctx, name); err != nil {
			return err
		}
	}
	known, err := registry.Namespaces(ctx)
	for _, n := range known {
		if slices.Contains(w.namespaces, n.Name) {
			continue
		}
		changes, err := w.Conn.SetupNamespace(ctx, n.Name)
		w.Changes = append(w.Changes, changes...)
		if err != nil {
			return err
		}
		w.namespaces = append(w.namespaces, n.Name)
	}
	slices.Sort(w.namespaces)
	w.namespaces = slices.Compact(w.namespaces)
	return err
}

// templates makes the index template of every namespace; one that is refused does not hold up the others.
func (w *setupWork) templates(ctx context.Context, deadline time.Time) error {
	if err := until(ctx, deadline, w.Elastic.Ready); err != nil {
		return err
	}
	var errs []error
	for _, name := range w.namespaces {
		change := stream.Change{Kind: "index template", Name: elastic.TemplateName(name), Action: "unchanged"}
		existed, err := w.Elastic.HasNamespace(ctx, name)
		var changed bool
		if err == nil {
			changed, err = w.Elastic.SetupNamespace(ctx, name, w.indexer.Index)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		switch {
		case !existed:
			change.Action = "created"
		case changed:
			change.Action = "updated"
		}
		w.Changes = append(w.Changes, change)
	}
	return errors.Join(errs...)
}

// until repeats a probe until it succeeds or the deadline is past; each try takes at most five seconds.
func until(ctx context.Context, deadline time.Time, probe func(context.Context) error) error {
	for {
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(limit)
		cancel()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}
