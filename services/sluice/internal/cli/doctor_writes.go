package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
)

// checkWrites looks for streams that an error of their disk has made refuse every write.
func (d *doctor) checkWrites(ctx context.Context) []finding {
	const name = "stream writes"
	switch {
	case d.ready != nil:
		return d.checkOwnWrites(ctx)
	case d.missing != nil:
		return []finding{skip(name, "no NATS server is known")}
	case len(d.settings.NATSMonitorURLs) == 0:
		return []finding{skip(name, "NATS_MONITOR_URLS is empty")}
	}
	dead, err := stream.AskWriteDead(ctx, d.settings.Config)
	var found []finding
	if err != nil {
		found = append(found, fail(name, err, "check NATS_MONITOR_URLS and that the server's monitoring port is on"))
	}
	for _, one := range dead {
		found = append(found, fail(name, fmt.Errorf("%s of %s: %s", one.Stream, config.URL(one.Server), one.Reason),
			"see to the server's disk, then restart nats-server: until then it takes no message, and deliveries are answered 503"))
	}
	if len(found) == 0 {
		found = append(found, ok(name, "no stream refuses writes because of its disk"))
	}
	return found
}

// checkOwnWrites reads what the all-in-one says of its server on its readiness page.
func (d *doctor) checkOwnWrites(ctx context.Context) []finding {
	const name = "stream writes"
	client := &http.Client{}
	defer client.CloseIdleConnections()
	_, page, err := get(ctx, client, d.ready.AdminURL+"/readyz")
	if err != nil {
		return []finding{skip(name, "the all-in-one does not answer")}
	}
	for line := range strings.Lines(page.text) {
		if reason, bad := strings.CutPrefix(line, "[-]stream writes "); bad {
			return []finding{fail(name, errors.New(strings.TrimSpace(reason)),
				"see to the disk of the state folder: the all-in-one restarts its NATS server by itself as soon as the disk can be written; until then deliveries are answered 503")}
		}
	}
	return []finding{ok(name, "no stream refuses writes because of its disk")}
}
