package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/elastic"
)

// target is the endpoint that simulate and send post to.
type target struct {
	url       string
	tokenFile string
	fromStdin bool
}

// flags adds the flags that name an endpoint.
func (t *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.url, "url", "", "Payload URL to post to (default: that of the first endpoint of the running all-in-one)")
	cmd.Flags().StringVar(&t.tokenFile, "token-file", "", "file that holds the Authorization value")
	cmd.Flags().BoolVar(&t.fromStdin, "token-stdin", false, "read the Authorization value from standard input")
	cmd.MarkFlagsMutuallyExclusive("token-file", "token-stdin")
	_ = cmd.MarkFlagFilename("token-file")
}

// resolve returns the Payload URL and the Authorization value, by default those of the running all-in-one. A URL given
// by hand needs a token given by hand: the all-in-one's token is never sent to another address.
func (a *App) resolve(t target) (url, authorization string, err error) {
	token, err := a.readToken(t)
	if err != nil {
		return "", "", err
	}
	if t.url != "" {
		if token == "" {
			return "", "", errors.New("--url needs its token: give --token-file FILE or --token-stdin")
		}
		return t.url, token, nil
	}
	ready, err := state.Dir(a.state).ReadReady()
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%w in %s: start one with `%s`, name another folder with --state, or give --url and --token-file", errNotFound, a.state, a.hint("up"))
	}
	if err != nil {
		return "", "", err
	}
	if token == "" {
		token = ready.Authorization
	}
	return reachableHere(&ready), token, nil
}

// reachableHere is the Payload URL as this machine reaches it: the public one may lead elsewhere, or nowhere yet.
func reachableHere(r *state.Ready) string {
	if r.LocalURL != "" {
		return r.LocalURL
	}
	return r.PayloadURL
}

// readToken reads the Authorization value that the flags name; empty when they name none.
func (a *App) readToken(t target) (string, error) {
	var raw []byte
	var err error
	switch {
	case t.tokenFile != "":
		raw, err = os.ReadFile(t.tokenFile)
	case t.fromStdin:
		raw, err = io.ReadAll(io.LimitReader(a.In, 64<<10))
	default:
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", errors.New("reading the token: there is none; the file or standard input is empty")
	}
	return token, nil
}

// openElastic connects to Elasticsearch alone; without a running all-in-one the settings and their defaults count.
func (a *App) openElastic() (*elastic.Client, error) {
	cfg, _, err := a.locate()
	if err != nil && !errors.Is(err, errNotFound) {
		return nil, err
	}
	if err != nil && os.Getenv("ELASTICSEARCH_URL") == "" { //nolint:forbidigo // whether it was set decides, not its value
		a.lost = a.notFound("ELASTICSEARCH_URL")
	}
	return elastic.Open(cfg.Elastic)
}

// misses reports whether err says that nothing listens at the default address, where Elasticsearch was looked for only because
// no Sluice is announced.
func (a *App) misses(err error) bool {
	dial, found := errors.AsType[*net.OpError](err)
	return a.lost != nil && found && dial.Op == "dial"
}

// orLost adds to such an error how to begin.
func (a *App) orLost(err error) error {
	if a.misses(err) {
		return fmt.Errorf("%w; %w", err, a.lost)
	}
	return err
}
