package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/retention"
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
	case "retention":
		err = program.Execute(cmd.Context(), retention.Program(), words, cmd.OutOrStdout())
	default:
		return fmt.Errorf("there is no service %q: use receiver, enricher, indexer or retention", name)
	}
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

// checkPublicURL accepts an address under which a receiver can be reached; empty when none is given.
func checkPublicURL(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	u, err := parseBase(raw)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// checkListen refuses what is no address before anything is started.
func checkListen(flag, address string) error {
	if address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s %q: give HOST:PORT, such as 127.0.0.1:8080; port 0 takes a free one", flag, address)
	}
	return nil
}

// firstName is the name that the first endpoint's log stream is proposed to have.
const firstName = "Sluice"

// writeAnnouncement prints a running all-in-one for people: what to type into Auth0's form, and commands that work as
// they stand.
func writeAnnouncement(w io.Writer, dir string, r state.Ready) {
	fmt.Fprintf(w, "\nSluice is ready.\n\n  State               %s\n  Elasticsearch       %s\n  Health and metrics  %s\n\n", dir, r.ElasticsearchURL, r.AdminURL)
	f := fillForm(firstName, address{URL: r.PayloadURL}, r.Authorization)
	f.writeFields(w, "the same at every start", f.recommended())
	if hint := reachability(r); hint != "" {
		fmt.Fprintln(w)
		paragraph(w, hint)
	}
	id, event := sampleEvent(time.Now())
	fmt.Fprint(w, "\nSend an event yourself, and find it a few seconds later:\n\n")
	fmt.Fprintf(w, "  curl -sS -H 'Authorization: %s' -H 'Content-Type: application/json' --data '%s' %s\n", r.Authorization, event, r.LocalURL)
	fmt.Fprintf(w, "  curl -sS '%s/%s/_search?pretty&q=event.id:%s'\n\nThen:\n\n", r.ElasticsearchURL, r.Index, id)
	for _, next := range [][2]string{
		{"simulate", "sends made-up Auth0 events"}, {"endpoint verify " + r.Endpoint, "watches the first delivery arrive"}, {"doctor", "checks everything"},
	} {
		fmt.Fprintf(w, "  %s\t%s\n", hintFor(dir, next[0]), next[1])
	}
	fmt.Fprintln(w, "\nCtrl-C stops it; the data stays.")
}

// reachability says why Auth0 cannot reach the printed address; empty when nothing speaks against it.
func reachability(r state.Ready) string {
	base, _, _ := strings.Cut(r.PayloadURL, payloadPath)
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return unreachable(u)
}

// sampleEvent is a login as Auth0 logs it, with an id of its own.
func sampleEvent(now time.Time) (id, event string) {
	now = now.UTC()
	id = fmt.Sprintf("900%s%039d", now.Format("20060102150405"), now.UnixNano())
	return id, fmt.Sprintf(`{"log_id":"%s","data":{"log_id":"%s","type":"s","date":"%s","description":"a first login","ip":"198.51.100.7","user_name":"jo@example.com","client_name":"Try it"}}`,
		id, id, now.Format("2006-01-02T15:04:05.000Z"))
}
