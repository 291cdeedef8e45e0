package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream/access"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/test/harness"
)

// process is one service as a process of its own.
type process struct {
	cmd *exec.Cmd
	log string
}

// start runs a program until the test ends.
func start(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{log: filepath.Join(harness.Dir(t), filepath.Base(program)+".log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			_ = p.cmd.Wait() // the code is looked at by the tests that care
		}
		if t.Failed() {
			t.Logf("%s: %s", p.log, harness.Tail(p.log, 3000))
		}
	})
	return p
}

// address reads the one line in which a receiver says where it listens.
func (p *process) address() string {
	for line := range strings.Lines(harness.Tail(p.log, 1<<20)) {
		var say struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &say) == nil && say.Msg == "receiving" {
			return say.Address
		}
	}
	return ""
}

func TestServicesRunApartAgainstAnOutsideServer(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	es := elastictest.Start(t)
	ns := es.Namespace(t)
	sluice, keys := harness.Binary(t, "sluice"), harness.Dir(t)
	if out, errs, code := harness.Run(t, nil, sluice, "nats-users", keys); code != 0 {
		t.Fatalf("nats-users: %d\n%s%s", code, out, errs)
	}
	nats := streamtest.StartOutside(t, "include "+strconv.Quote(strings.Repeat("../", 20)+filepath.Join(keys, access.ConfigFile)))
	as := func(user string) []string { return []string{"NATS_NKEY_FILE=" + access.SeedFile(keys, user)} }
	env := []string{"NATS_URL=" + nats.URL(), "NATS_MONITOR_URLS=" + nats.MonitorURL(), "ELASTICSEARCH_URL=" + es.URL, "ADMIN_LISTEN=127.0.0.1:0", "RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info"}
	operator := append(as(access.Operator), env...)
	for round, want := range []string{"created", "unchanged"} {
		out, errs, code := harness.Run(t, operator, sluice, "setup", "--namespace", ns)
		if code != 0 || !strings.Contains(out, want) || round == 1 && strings.Contains(out, "created") {
			t.Fatalf("setup, round %d: %d\n%s%s", round, code, out, errs)
		}
	}
	tokenFile := filepath.Join(harness.Dir(t), "token")
	token := endpoint.NewToken()
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := harness.Run(t, operator, sluice, "endpoint", "create", "--id", "apart-"+strings.ReplaceAll(ns, "_", "-"), "--name", "apart", "--namespace", ns, "--token-file", tokenFile); code != 0 {
		t.Fatalf("create: %d\n%s%s", code, out, errs)
	}
	receiver := start(t, append(as(access.Receiver), env...), harness.Binary(t, "receiver"))
	start(t, append(as(access.Enricher), env...), harness.Binary(t, "enricher"))
	start(t, append(as(access.Enricher), env...), sluice, "run", "enricher")
	start(t, append(as(access.Indexer), env...), harness.Binary(t, "indexer"))
	start(t, append(as(access.Indexer), env...), sluice, "run", "indexer")
	harness.Await(t, 30*time.Second, "a receiver that listens", func() bool { return receiver.address() != "" })
	s, err := simulator.NewStream(simulator.StreamOptions{
		URL: "http://" + receiver.address() + "/v1/endpoints/apart-" + strings.ReplaceAll(ns, "_", "-"), Authorization: "Bearer " + token, Batch: 50, Concurrency: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Run(t.Context(), simulator.FromSlice(take(tenant(t), 2000)))
	if err != nil || report.Acked != 2000 {
		t.Fatalf("%v %+v", err, report)
	}
	client := harness.Elastic(t, es.URL)
	harness.Await(t, 3*time.Minute, "2000 documents", func() bool {
		n, err := client.Count(t.Context(), "logs-auth0.logs-"+ns, nil)
		return err == nil && n >= 2000
	})
	for _, args := range [][]string{{"ledger"}, {"doctor"}, {"endpoint", "list"}, {"deadletter", "list", "--all"}} {
		if out, errs, code := harness.Run(t, operator, sluice, args...); code != 0 && args[0] != "doctor" {
			t.Errorf("%v: %d\n%s%s", args, code, out, errs)
		}
	}
	if err := receiver.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := receiver.cmd.Wait(); err != nil {
		t.Errorf("the receiver's stop: %v", err)
	}
	if denied := nats.Denied(); len(denied) > 0 {
		t.Errorf("NATS denied to a service what it does:\n%s", strings.Join(denied, "\n"))
	}
}

func TestAServiceRefusesAServerThatIsNotProvenToSync(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	for _, service := range []string{"receiver", "enricher", "indexer", "retention"} {
		_, errs, code := harness.Run(t, []string{"NATS_URL=nats://127.0.0.1:1", "ADMIN_LISTEN=127.0.0.1:0"}, harness.Binary(t, service))
		if code != 1 || !strings.Contains(errs, "NATS_MONITOR_URLS") || !strings.Contains(errs, "sync_interval") {
			t.Errorf("%s: %d %s", service, code, errs)
		}
	}
}

// upAsSuperuser runs the all-in-one on a node with security on.
func upAsSuperuser(t *testing.T, es *elastictest.Cluster) {
	t.Helper()
	passwordFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, []byte(es.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"ELASTICSEARCH_USERNAME=" + es.Username, "ELASTICSEARCH_PASSWORD_FILE=" + passwordFile, "ELASTICSEARCH_CA_FILE=" + es.CAFile}
	i := harness.Up(t, harness.Options{Args: []string{"--elasticsearch", es.URL}, Env: env})
	report := load(t.Context(), t, i, simulator.StreamOptions{Batch: 20, Concurrency: 2}, simulator.FromSlice(take(tenant(t), 100)))
	if report.Acked != 100 {
		t.Fatalf("%+v", report)
	}
	out, errs, code := i.Command("doctor")
	if code != 0 {
		t.Errorf("doctor: %d\n%s%s", code, out, errs)
	}
	harness.Await(t, 30*time.Second, "100 documents", func() bool {
		return metric(t, i, `sluice_indexer_documents_total{verdict="indexed"}`) == 100
	})
	if strings.Contains(i.Tail(1<<20), es.Password) {
		t.Error("the password is in the output")
	}
}
