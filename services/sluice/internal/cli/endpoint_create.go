package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// createOptions are the flags of `sluice endpoint create`.
type createOptions struct {
	name, namespace, id, publicURL string
	token                          tokenSource
}

func (a *App) endpointCreateCommand() *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a Payload URL and a token, and print Auth0's form filled in",
		Long: `Make a Payload URL and its first token, and print what goes into Auth0's form, field by field, with the same as a
command of the auth0 CLI and as a call of the Management API.

The token is shown this once; only a hash of it is kept. To go on using a token that Auth0 already sends, bring it along
with --token-file or --token-stdin.`,
		Example: "  sluice endpoint create --name production --public-url https://logs.example.com\n" +
			"  sluice endpoint create --name moved --token-file ./token",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.createEndpoint(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.name, "name", "Sluice", "name, for people; also proposed as the log stream's name")
	flags.StringVar(&o.namespace, "namespace", "default", "namespace in Elasticsearch that the events go to")
	flags.StringVar(&o.id, "id", "", "id, the last part of the Payload URL; random when empty")
	flags.StringVar(&o.publicURL, "public-url", "", "address under which Auth0 reaches the receiver, such as https://logs.example.com")
	o.token.register(cmd, "adopt an existing token")
	return cmd
}

// created is what `sluice endpoint create` prints with --json.
type created struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	TokenID   string   `json:"token_id"`
	Form      form     `json:"form"`
	CLI       string   `json:"auth0_cli"`
	API       string   `json:"management_api"`
	Public    bool     `json:"public"`
	Notes     []string `json:"notes,omitempty"`
}

func (a *App) createEndpoint(ctx context.Context, o createOptions) error {
	token, err := a.adoptToken(o.token)
	if err != nil {
		return err
	}
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if o.id == "" {
		o.id = endpoint.NewID()
	}
	at, err := session.address(o.publicURL, o.id)
	if err != nil {
		return err
	}
	adopted := token != ""
	if !adopted {
		token = endpoint.NewToken()
	}
	notes, err := a.prepare(ctx, session, o)
	if err != nil {
		return err
	}
	e, err := session.Registry.Create(ctx, endpoint.Endpoint{ID: o.id, Name: o.name, Namespace: o.namespace}, token)
	if err != nil {
		return err
	}
	if adopted {
		token = ""
	}
	return a.printCreated(e, fillForm(e.Name, at, token), at, notes)
}

// prepare checks what can be refused and makes ready where the events will go, before the endpoint exists: a delivery may
// come the moment it does.
func (a *App) prepare(ctx context.Context, session *Session, o createOptions) (notes []string, err error) {
	if err := errors.Join(endpoint.CheckID(o.id), stream.CheckNamespace(o.namespace), checkName(o.name)); err != nil {
		return nil, err
	}
	_, err = session.Registry.Get(ctx, o.id)
	if err == nil {
		return nil, fmt.Errorf("%w: %s; `sluice endpoint rotate %s` gives it a new token", endpoint.ErrTaken, o.id, o.id)
	}
	if !errors.Is(err, endpoint.ErrUnknown) {
		return nil, err
	}
	notes = a.slips(ctx, session.Registry, o)
	if _, err := session.Conn.SetupNamespace(ctx, o.namespace); err != nil {
		return nil, err
	}
	note, err := prepareElastic(ctx, session.Elastic, o.namespace)
	if note != "" {
		notes = append(notes, note)
	}
	return notes, err
}

// slips says what is allowed and may still be a slip of the fingers: a namespace that nobody has made, a name twice. What
// cannot be read here is no reason to make no endpoint.
func (a *App) slips(ctx context.Context, registry *endpoint.Registry, o createOptions) (notes []string) {
	known, err := registry.Namespaces(ctx)
	made := func(n endpoint.Namespace) bool { return n.Name == o.namespace }
	if err == nil && len(known) > 0 && !slices.ContainsFunc(known, made) {
		notes = append(notes, fmt.Sprintf("namespace %s is new; `%s` shows the others. If it is a slip, `%s` ends this endpoint; the namespace stays, empty.",
			o.namespace, a.hint("namespace list"), a.hint("endpoint revoke "+o.id)))
	}
	all, _ := registry.List(ctx)
	for _, e := range all {
		if e.Name == o.name && !e.Revoked {
			return append(notes, fmt.Sprintf("endpoint %s is called %q, too; their ids tell them apart.", e.ID, e.Name))
		}
	}
	return notes
}

// checkName refuses what would break tables, or the form that it is copied into.
func checkName(name string) error {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return fmt.Errorf("--name %q: give 1 to 200 bytes of text on one line", name)
	}
	return nil
}

// prepareElastic writes a namespace's template unless it is there. An Elasticsearch that is away is no reason to wait:
// the indexer writes the template before it writes the first document.
func prepareElastic(ctx context.Context, client *elastic.Client, namespace string) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var settings indexer.Config
	if err := config.Load("indexer", &settings); err != nil {
		return "", err
	}
	there, err := client.HasNamespace(ctx, namespace)
	if err == nil && !there { // an existing one has the settings of those who made it
		_, err = client.SetupNamespace(ctx, namespace, settings.Index)
	}
	if errors.Is(err, elastic.ErrForeign) {
		return "", err
	}
	if err != nil {
		return fmt.Sprintf("Elasticsearch at %s is not ready (%v); the indexer prepares namespace %s when it is.", client.URL(), err, namespace), nil
	}
	return "", nil
}

func (a *App) printCreated(e *endpoint.Endpoint, f form, at address, notes []string) error {
	out := created{
		ID: e.ID, Name: e.Name, Namespace: e.Namespace, TokenID: e.Tokens[0].ID, Form: f,
		CLI: f.auth0CLI(), API: f.managementAPI(), Public: at.Public, Notes: notes,
	}
	public := "" // the way from outside is what one wants to see checked
	if at.Public {
		base, _, _ := strings.Cut(at.URL, payloadPath)
		public = " --public-url " + base
	}
	return a.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "Endpoint %s (%s) is made; its events go to namespace %s.\n\n", e.ID, e.Name, e.Namespace)
		f.write(w, "shown this once; only a hash is kept")
		fmt.Fprintf(w, "\nThe same with the auth0 CLI:\n\n%s\n\nThe same with the Management API:\n\n%s\n", indent(out.CLI), indent(out.API))
		if at.Hint != "" {
			notes = append(notes, at.Hint)
		}
		for _, note := range notes {
			fmt.Fprintln(w)
			paragraph(w, "Note: "+note)
		}
		fmt.Fprintf(w, "\nThen watch the first delivery arrive:\n\n  %s\n", a.hint("endpoint verify "+e.ID+public))
	})
}
