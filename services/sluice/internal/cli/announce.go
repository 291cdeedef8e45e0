package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/program"
)

// runService hands over to a service's own program.
func runService(cmd *cobra.Command, name string, words []string) error {
	var err error
	switch name {
	case "receiver":
		err = program.Execute(cmd.Context(), receiver.Program(), words, cmd.OutOrStdout())
	case "enricher":
		err = program.Execute(cmd.Context(), enricher.Program(), words, cmd.OutOrStdout())
	case "indexer":
		err = program.Execute(cmd.Context(), indexer.Program(), words, cmd.OutOrStdout())
	default:
		return fmt.Errorf("there is no service %q: use receiver, enricher or indexer", name)
	}
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

// checkPublicURL accepts what Auth0 accepts: https and a host. Plain http is left to people who test on their own machine.
func checkPublicURL(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("public URL %q: give scheme and host, such as https://logs.example.com", raw)
	}
	return strings.TrimSuffix(raw, "/"), nil
}

// writeAnnouncement prints a running all-in-one for people: what to type into Auth0's form, and commands that work as
// they stand.
func writeAnnouncement(w io.Writer, dir string, r state.Ready) {
	fmt.Fprintf(w, "\nSluice is ready. State is kept in %s; Elasticsearch is %s; health and metrics are at %s.\n\n", dir, r.ElasticsearchURL, r.AdminURL)
	fmt.Fprintln(w, "Auth0 > Monitoring > Streams > Create Log Stream > Custom Webhook:")
	fmt.Fprintln(w)
	fmt.Fprintf(w, "  Name\tSluice\n  Payload URL\t%s\n  Authorization Token\t%s\n", r.PayloadURL, r.Authorization)
	fmt.Fprintf(w, "  Content Type\tapplication/json\n  Content Format\tJSON Lines\n  Filter by Event Category\t(empty: everything)\n  Starting Cursor\t(empty: from now on)\n\n")
	if !public(r.PublicURL) {
		fmt.Fprintln(w, "Auth0 cannot reach this address yet: it posts over public HTTPS only. Put a reverse proxy with a public")
		fmt.Fprintln(w, "certificate, or a tunnel, in front of the address above and start again with --public-url https://YOUR.HOST")
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "Send an event yourself, and find it:")
	fmt.Fprintln(w)
	fmt.Fprintf(w, "  curl -sS -H 'Authorization: %s' -H 'Content-Type: application/json' --data '%s' %s\n", r.Authorization, sampleEvent(time.Now()), r.LocalURL)
	fmt.Fprintf(w, "  curl -sS '%s/%s/_search?pretty&size=1&sort=@timestamp:desc'\n\n", r.ElasticsearchURL, r.Index)
	fmt.Fprintf(w, "Then: sluice simulate --state %s, sluice endpoint verify %s --state %s, sluice doctor --state %s. Ctrl-C stops.\n", dir, r.Endpoint, dir, dir)
}

// public reports whether Auth0 can be expected to reach an address.
func public(address string) bool { return strings.HasPrefix(address, "https://") }

// sampleEvent is a login as Auth0 logs it, with an id of its own.
func sampleEvent(now time.Time) string {
	now = now.UTC()
	id := fmt.Sprintf("900%s%039d", now.Format("20060102150405"), now.UnixNano())
	return fmt.Sprintf(`{"log_id":"%s","data":{"log_id":"%s","type":"s","date":"%s","description":"a first login","ip":"198.51.100.7","user_name":"jo@example.com","client_name":"Try it"}}`,
		id, id, now.Format("2006-01-02T15:04:05.000Z"))
}
