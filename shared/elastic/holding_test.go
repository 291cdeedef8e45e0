package elastic_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
)

func TestMembersCarryOurNameAndOurAlias(t *testing.T) {
	c, ns := prepared(t)
	cluster := elastictest.Start(t)
	if names, err := c.Members(t.Context(), ns); err != nil || len(names) != 0 {
		t.Fatalf("%v, %v", names, err)
	}
	var want []string
	for _, name := range []string{"2026.11.23", "2026.11.23.07", "2026.11", "2026.w48", period.Undated} {
		want = append(want, period.Index(ns, name))
		if _, err := c.EnsureIndex(t.Context(), period.Index(ns, name)); err != nil {
			t.Fatal(err)
		}
	}
	alias := `{"aliases":{"` + period.Alias(ns) + `":{}}}`
	for name, body := range map[string]string{
		period.Index(ns, "2026.11.23-restored"): "", // our alias by the template, and no name of ours
		"reindexed-" + ns:                       alias,
	} {
		request(t, cluster.URL, http.MethodPut, "/"+name, body)
		t.Cleanup(func() { request(t, cluster.URL, http.MethodDelete, "/"+name, "") })
	}
	request(t, cluster.URL, http.MethodPut, "/"+period.Index(ns, "2026.11.24"), "")
	request(t, cluster.URL, http.MethodDelete, "/"+period.Index(ns, "2026.11.24")+"/_alias/"+period.Alias(ns), "")
	request(t, cluster.URL, http.MethodPost, "/"+period.Index(ns, "2026.11.23")+"/_close", "")
	have, err := c.Members(t.Context(), ns)
	if diff := cmp.Diff([]string{want[2], want[0], want[1], want[3], want[4]}, have); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if sizes, err := c.Sizes(t.Context(), ns); err != nil || len(sizes) < len(want)-1 {
		t.Errorf("%v, %v", sizes, err)
	}
}

func TestADeletedIndexIsNotMadeByAStrayWrite(t *testing.T) {
	c, ns := prepared(t)
	index := period.Index(ns, "2026.11.23")
	line := fmt.Sprintf(`{"create":{"_index":%q,"_id":"a"}}`+"\n"+`{"@timestamp":"2026-11-23T00:00:00Z"}`+"\n", index)
	for _, there := range []bool{false, true} {
		if dropped, err := c.DropIndex(t.Context(), index); err != nil || dropped != there {
			t.Fatalf("dropped: %v, %v", dropped, err)
		}
		items, err := c.Bulk(t.Context(), []byte(line), 1)
		if err != nil || items[0].Status != http.StatusNotFound {
			t.Fatalf("%+v, %v", items, err)
		}
		if _, err := c.EnsureIndex(t.Context(), index); err != nil {
			t.Fatal(err)
		}
	}
	if dropped, err := c.DropIndex(t.Context(), "logs-*"); err == nil || dropped {
		t.Errorf("a pattern: %v, %v", dropped, err)
	}
}

func TestEveryNodeTellsItsTime(t *testing.T) {
	c, _ := prepared(t)
	all, err := c.Clocks(t.Context())
	if err != nil || len(all) != 1 || time.Since(all[0]).Abs() > time.Minute {
		t.Errorf("%v, %v", all, err)
	}
}
