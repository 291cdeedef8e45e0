package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
)

func (a *App) endpointExportCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the registry as JSON: endpoints, namespaces, hashes of tokens, no token",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.exportRegistry(cmd.Context(), output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write, readable by its owner only; standard output when empty")
	_ = cmd.MarkFlagFilename("output")
	return cmd
}

func (a *App) exportRegistry(ctx context.Context, output string) error {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	backup, err := session.Registry.Export(ctx)
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(backup, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	raw = append(raw, '\n')
	if output == "" {
		_, err = a.Out.Write(raw)
		return err
	}
	if err := writePrivate(output, raw); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	out := map[string]any{"file": output, "endpoints": len(backup.Endpoints), "namespaces": len(backup.Namespaces)}
	return a.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "Wrote %s and %s to %s.\n", counted(len(backup.Endpoints), "endpoint"), counted(len(backup.Namespaces), "namespace"), output)
	})
}

// writePrivate replaces a file in one step by one that only its owner may read.
func writePrivate(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sluice-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (a *App) endpointImportCommand() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Read a registry that `sluice endpoint export` wrote; - reads standard input",
		Args:  one(aBackup),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.importRegistry(cmd.Context(), args[0], overwrite)
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace endpoints and namespaces that exist already; tokens that were rotated or revoked since are named")
	return cmd
}

// imported is what `sluice endpoint import` prints with --json.
type imported struct {
	Written    []string `json:"written"`
	Kept       []string `json:"kept"` // existed already and were left as they are
	Namespaces []string `json:"namespaces"`

	Calendars []endpoint.KeptCalendar `json:"calendars_kept"` // that are not as in the backup
	Tokens    []turned                `json:"tokens"`         // of endpoints that were overwritten, where they are not as before

	Cursors []cursor `json:"cursors"`        // what to ask Auth0 for, where deliveries were lost
	Note    string   `json:"note,omitempty"` // why there are none
}

func (a *App) importRegistry(ctx context.Context, path string, overwrite bool) error {
	backup, err := a.readBackup(path)
	if err != nil {
		return err
	}
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	now := time.Now()
	before := session.live(ctx, backup.Endpoints, now)
	done, err := session.restore(ctx, backup, overwrite)
	if err != nil {
		return fmt.Errorf("importing %s: %w", path, err)
	}
	out := imported{Written: append([]string{}, done.Endpoints...), Kept: []string{}, Namespaces: backupNamespaces(backup), Calendars: append([]endpoint.KeptCalendar{}, done.Calendars...)}
	var written []*endpoint.Endpoint
	for _, e := range backup.Endpoints {
		if slices.Contains(done.Endpoints, e.ID) {
			written = append(written, e)
		} else {
			out.Kept = append(out.Kept, e.ID)
		}
	}
	out.Tokens = turns(before, written, now)
	if out.Cursors, err = session.cursors(ctx, backup.Endpoints); err != nil { // the registry is back all the same
		out.Cursors, out.Note = []cursor{}, err.Error()
	}
	return a.print(out, func(w io.Writer) { writeImported(w, &out) })
}

// restore stores a backup, with all that its namespaces need.
func (s *Session) restore(ctx context.Context, backup *endpoint.Backup, overwrite bool) (endpoint.Imported, error) {
	namespaces := backupNamespaces(backup)
	for _, namespace := range namespaces {
		if _, err := s.Conn.SetupNamespace(ctx, namespace); err != nil {
			return endpoint.Imported{}, err
		}
	}
	done, err := s.Registry.Import(ctx, backup, overwrite)
	if err != nil {
		if n := len(done.Endpoints); n > 0 {
			err = fmt.Errorf("%w (%s were written before: %s)", err, counted(n, "endpoint"), strings.Join(done.Endpoints, ", "))
		}
		return done, err
	}
	for _, namespace := range namespaces { // one that only an endpoint speaks of has no record in the backup
		if err := s.Registry.EnsureNamespace(ctx, namespace); err != nil {
			return done, err
		}
	}
	return done, nil
}

// backupNamespaces names every namespace that the backup's endpoints and records speak of.
func backupNamespaces(b *endpoint.Backup) []string {
	names := []string{}
	for _, ns := range b.Namespaces {
		names = append(names, ns.Name)
	}
	for _, e := range b.Endpoints {
		names = append(names, e.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func writeImported(w io.Writer, out *imported) {
	fmt.Fprintf(w, "Wrote %s; namespaces: %s.\n", counted(len(out.Written), "endpoint"), strings.Join(out.Namespaces, ", "))
	if len(out.Kept) > 0 {
		fmt.Fprintf(w, "Left as they are, since they exist already (--overwrite replaces them): %s.\n", strings.Join(out.Kept, ", "))
	}
	for _, t := range out.Tokens {
		t.write(w)
	}
	for _, c := range out.Calendars {
		fmt.Fprintln(w)
		paragraph(w, "The calendar of namespace "+c.Namespace+" stays as it is ("+ruled(c.Kept)+"), and is not the backup's ("+ruled(c.Backup)+"): "+
			"events may be stored by it, and would be there a second time under another one when they come again. So will those that were stored by the backup's: "+
			"let Auth0 send none of these again; `sluice ledger` names what is there twice.")
	}
	writeCursors(w, out.Cursors, out.Note)
}

// ruled is a calendar in words.
func ruled(c period.Calendar) string {
	words := make([]string, len(c))
	for i, rule := range c {
		words[i] = string(rule.Unit)
		if i > 0 {
			words[i] += " from " + moment(rule.From) + " on"
		}
	}
	return strings.Join(words, ", ")
}

// maxBackup bounds what is read of a backup, in bytes.
const maxBackup = 64 << 20

func (a *App) readBackup(path string) (*endpoint.Backup, error) {
	in := a.In
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("reading the backup: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	var b endpoint.Backup
	if err := json.NewDecoder(io.LimitReader(in, maxBackup)).Decode(&b); err != nil {
		return nil, fmt.Errorf("reading the backup %s: it is not what `sluice endpoint export` writes: %w", path, err)
	}
	if b.Version == 0 {
		return nil, fmt.Errorf("reading the backup %s: it is not what `sluice endpoint export` writes: it has no version", path)
	}
	for i, e := range b.Endpoints {
		if e == nil {
			return nil, fmt.Errorf("reading the backup %s: endpoint %d of it is null", path, i+1)
		}
	}
	return &b, nil
}
