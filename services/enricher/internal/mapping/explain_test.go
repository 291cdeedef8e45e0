package mapping_test

import (
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/shared/auth0"
)

// explained returns where the fields of an event came from, by field.
func explained(t *testing.T, raw string) map[string]mapping.Origin {
	t.Helper()
	var e auth0.Event
	if err := auth0.Parse([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	_, origins, err := enriching(t, false).Explain(&e, receipt())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]mapping.Origin{}
	for _, o := range origins {
		all[o.Field] = o
	}
	return all
}

func TestExplainNamesWhereEachFieldCameFrom(t *testing.T) {
	got := explained(t, string(samples(t)["codes/sapi.user-update-email"]))
	for field, from := range map[string]string{
		"user.id": "user_id", "user.email": "details.request.auth.user.email", "user.target.id": "details.request.path",
		"user.changes.email": "details.request.body.email", "http.request.method": "details.request.method", "event.action": "type",
		"auth0.logs.data.details.request.channel": "details.request.channel", "source.geo.location": "ip", "service.id": "client_id",
		"related.ip": "ip", "auth0.logs.data.tenant_name": "tenant_name", "sluice.endpoint": "", "event.id": "log_id",
	} {
		if o, ok := got[field]; !ok || o.From != from || o.Rule == "" {
			t.Errorf("%s: %+v, want it from %q", field, o, from)
		}
	}
}

func TestExplainCoversEveryFieldOfEverySample(t *testing.T) {
	for name, raw := range samples(t) {
		for field, o := range explained(t, string(raw)) {
			if o.Rule == "" || o.From == "" && o.Type != "" && o.Value != nil && strings.HasPrefix(field, "user") {
				t.Errorf("%s: %+v is not explained", name, o)
			}
		}
	}
}
