package indexer_test

import (
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

func TestTheLeastPrivilegesAreEnoughUnderTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	admin := elastictest.StartSecuredWith(t, elastic.RolesYAML(),
		elastictest.Account{Name: "indexer", Password: "indexer's password", Roles: []string{elastic.RoleIndexer}},
		elastictest.Account{Name: "reader", Password: "reader's password", Roles: []string{elastic.RoleReader}},
	)
	r := rigOn(t, admin, admin.Namespace(t))
	as := func(name, password string) func(*indexer.Config) {
		return func(c *indexer.Config) {
			c.ElasticsearchUsername, c.ElasticsearchPassword = name, config.Secret(password)
		}
	}
	r.publish(r.document("a"), r.document("b"))

	wrong := r.run(as("indexer", "something else"))
	r.await("an alarm for wrong credentials", func() bool { return wrong.says(`"level":"ERROR"`, "401") })
	stopsInTime(t, wrong)
	if _, err := r.elastic.SetupNamespace(t.Context(), r.namespace, r.settings().Index); err != nil {
		t.Fatal(err)
	}
	reader := r.run(as("reader", "reader's password"))
	r.await("an alarm for a missing privilege", func() bool { return reader.says(`"level":"ERROR"`, "403") })
	stopsInTime(t, reader)
	if r.finished() || len(r.dead()) > 0 {
		t.Error("the message is gone")
	}

	other := r.settings().Index
	other.Refresh = "7s"
	if _, err := r.elastic.SetupNamespace(t.Context(), r.namespace, other); err != nil {
		t.Fatal(err)
	}
	s := r.run(as("indexer", "indexer's password"))
	r.awaitFinished()
	r.await("a word about other settings", func() bool { return s.says(`"level":"WARN"`, "not as this indexer would write it") })
	r.wantCount(2)
	r.checkMapping(r.index(today))
	if err := s.tel.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
