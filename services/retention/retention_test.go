package retention_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/shared/telemetry"
)

func TestMain(m *testing.M) {
	// The client of Elasticsearch keeps idle connections and has no way to close them.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// It deletes with the least privileges, on its own account, and that account may not write.
func TestTheLeastPrivilegesAreEnoughUnderTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	es := elastictest.StartSecuredWith(t, elastic.RolesYAML(), elastictest.Account{Name: "retention", Password: "retention's password", Roles: []string{elastic.RoleRetention}})
	ns := es.Namespace(t)
	nats := streamtest.Start(t)
	registry, err := endpoint.Open(t.Context(), nats.Open(t, ns))
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.CreateNamespace(t.Context(), endpoint.Namespace{Name: ns, Retention: 30 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	as := func(name, password string) elastic.Config {
		return elastic.Config{ElasticsearchURL: config.URL(es.URL), ElasticsearchUsername: name, ElasticsearchPassword: config.Secret(password), ElasticsearchCAFile: es.CAFile}
	}
	admin, err := elastic.Open(as(es.Username, es.Password))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.SetupNamespace(t.Context(), ns, elastic.Index{}); err != nil {
		t.Fatal(err)
	}
	today := period.Index(ns, period.Daily().Name(time.Now()))
	for _, index := range []string{period.Index(ns, "2020.01.01"), today} {
		if _, err := admin.EnsureIndex(t.Context(), index); err != nil {
			t.Fatal(err)
		}
	}
	var cfg retention.Config
	if err := config.Load("retention", &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Interval, cfg.Stream, cfg.Elasticsearch = time.Second, nats.Config(), as("retention", "retention's password")
	tel, err := telemetry.Open(t.Context(), "retention", telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"})
	if err != nil {
		t.Fatal(err)
	}
	pages, done := make(chan error, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { pages <- tel.Serve(context.Background()) }()
	go func() { done <- retention.Run(ctx, cfg, tel) }()
	left := func() []string {
		names, err := admin.Indices(t.Context(), ns)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for end := time.Now().Add(time.Minute); len(left()) != 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %v", left())
		}
	}
	if err := tel.Ready(t.Context()); err != nil || left()[0] != today {
		t.Errorf("%v, %v", left(), err)
	}
	own, err := elastic.Open(cfg.Elasticsearch)
	if err != nil {
		t.Fatal(err)
	}
	if items, err := own.Bulk(t.Context(), []byte(`{"create":{"_index":"`+today+`","_id":"a"}}`+"\n{}\n"), 1); err == nil && items[0].Status != 403 {
		t.Errorf("it may write: %+v", items[0])
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-pages; err != nil {
		t.Error(err)
	}
}
