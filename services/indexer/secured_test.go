package indexer_test

import (
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

// leastRole is what the README promises to be enough once `sluice setup` has written the templates.
const leastRole = `{"cluster":["monitor"],"indices":[{"names":["logs-auth0.logs-*"],"privileges":["create_doc","create_index","view_index_metadata"]}]}`

func TestTheLeastPrivilegesAreEnoughUnderTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	admin := elastictest.StartSecured(t,
		elastictest.Account{Name: "indexer", Password: "indexer's password", Role: leastRole},
		elastictest.Account{Name: "reader", Password: "reader's password", Role: `{"cluster":["monitor"],"indices":[{"names":["logs-*"],"privileges":["read","view_index_metadata"]}]}`},
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

	s := r.run(as("indexer", "indexer's password"))
	r.awaitFinished()
	r.wantCount(2)
	r.checkMapping(r.index(today))
	if err := s.tel.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
