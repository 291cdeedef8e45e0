package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/config"
)

// skewWarn is the difference between two clocks from which on times in documents mislead.
const skewWarn = 2 * time.Second

// page is what the checks need of an answer.
type page struct {
	date string
	text string
}

// get fetches the beginning of a page.
func get(ctx context.Context, client *http.Client, address string) (status int, p page, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, p, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, p, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, page{date: res.Header.Get("Date"), text: strings.TrimSpace(string(body))}, err
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkReceiver asks the Payload URL with GET, which a receiver refuses with 405: it is there, and nothing was sent. The
// public address is asked, too; that it cannot be reached from here need not mean that Auth0 cannot.
func (d *doctor) checkReceiver(ctx context.Context) []finding {
	const name = "receiver"
	var here string
	public := d.settings.PublicURL
	if d.ready != nil {
		here, public = reachableHere(d.ready), d.ready.PublicURL
	}
	var found []finding
	if here == "" {
		found = append(found, skip(name, "its address is not known: no all-in-one is announced"), skip("clock", "no receiver to compare with"))
	} else {
		found = append(found, d.askReceiver(ctx, here)...)
	}
	if public == "" {
		return append(found, skip("public url", "none is set (--public-url or RECEIVER_PUBLIC_URL); Auth0 needs one"))
	}
	return append(found, d.askPublic(ctx, public))
}

func (d *doctor) askReceiver(ctx context.Context, address string) []finding {
	client, _ := trusting("") // without a file nothing can fail
	defer client.CloseIdleConnections()
	status, answer, err := get(ctx, client, address)
	if err != nil {
		return []finding{fail("receiver", cause(err), "see that it runs, and its log"), skip("clock", "the receiver does not answer")}
	}
	return []finding{receives("receiver", address, status), clock(answer.date)}
}

func (d *doctor) askPublic(ctx context.Context, address string) finding {
	const name = "public url"
	client, _ := trusting("") // without a file nothing can fail
	defer client.CloseIdleConnections()
	status, _, err := get(ctx, client, address)
	if err != nil {
		return warn(name, fmt.Sprintf("%s does not answer this machine: %v", config.URL(address), cause(err)),
			"see that the proxy or tunnel runs; `sluice endpoint verify ID --public-url URL` checks the way step by step")
	}
	return receives(name, address, status)
}

func receives(name, address string, status int) finding {
	switch status {
	case http.StatusMethodNotAllowed, http.StatusOK, http.StatusNotFound: // the public URL alone has no page
		return ok(name, "%s answers", config.URL(address))
	default:
		return warn(name, fmt.Sprintf("%s answers GET with %d; a receiver says 405", config.URL(address), status), "something else may listen there, or a proxy before it fails")
	}
}

// clock compares this machine's clock with the Date of an answer, which is exact to a second.
func clock(date string) finding {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return skip("clock", "the receiver's answer has no date")
	}
	skew := time.Since(theirs).Truncate(time.Second)
	if skew.Abs() > skewWarn {
		return warn("clock", fmt.Sprintf("this clock and the receiver's differ by %s", skew.Abs()), "synchronise both with NTP (chrony, systemd-timesyncd)")
	}
	return ok("clock", "agrees with the receiver's")
}

// checkReadiness asks the all-in-one whether it can serve the next request.
func (d *doctor) checkReadiness(ctx context.Context) []finding {
	const name = "readiness"
	if d.ready == nil || d.ready.AdminURL == "" {
		return []finding{skip(name, "no admin address is known")}
	}
	client, _ := trusting("") // without a file nothing can fail
	defer client.CloseIdleConnections()
	address := strings.TrimSuffix(d.ready.AdminURL, "/") + "/readyz"
	status, answer, err := get(ctx, client, address)
	switch {
	case err != nil:
		return []finding{fail(name, err, "see that the all-in-one runs, and its log")}
	case status != http.StatusOK:
		return []finding{fail(name, fmt.Errorf("%s says %d: %s", address, status, answer.text), "see the checks above")}
	default:
		return []finding{ok(name, "%s says ready", address)}
	}
}
