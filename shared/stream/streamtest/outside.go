package streamtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Outside is a server that was started from a configuration file, as an operator starts one.
type Outside struct {
	ns   *server.Server
	conf string

	mu     sync.Mutex
	names  map[string]string              // of clients, by the number of their connection
	traced map[string]map[string]struct{} // what clients asked for, by the clients' names
	denied []string                       // the server's own words
}

// StartOutside runs a server from a configuration; more is added to what every server of a test has, such as an include.
// It writes every byte to disk, keeps its data in a folder of the test's own and remembers what its clients asked for.
func StartOutside(t testing.TB, more string) *Outside {
	t.Helper()
	dir := t.TempDir()
	o := &Outside{conf: filepath.Join(dir, "nats.conf"), names: map[string]string{}, traced: map[string]map[string]struct{}{}}
	text := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\nmax_payload: 8MB\nmax_pending: 64MB\njetstream { store_dir: %q, max_file_store: 16GB, sync_interval: always }\n%s\n", filepath.Join(dir, "data"), more)
	if err := os.WriteFile(o.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(o.conf)
	if err != nil {
		t.Fatalf("the server does not take its configuration: %v\n%s", err, text)
	}
	opts.NoSigs, opts.MaxTracedMsgLen = true, 64 // what lies in messages is nobody's business here
	if o.ns, err = server.NewServer(opts); err != nil {
		t.Fatal(err)
	}
	o.ns.SetLoggerV2(o, false, true, false)
	o.ns.Start()
	t.Cleanup(func() { o.ns.Shutdown(); o.ns.WaitForShutdown() })
	for end := time.Now().Add(time.Minute); !o.ns.ReadyForConnections(time.Second); {
		if time.Now().After(end) {
			t.Fatal("the server did not start within a minute")
		}
	}
	return o
}

// Reload makes the server read its configuration and everything that includes anew.
func (o *Outside) Reload(t testing.TB) {
	t.Helper()
	if err := o.ns.Reload(); err != nil {
		t.Fatal(err)
	}
}

// URL is the address to connect to, without any login.
func (o *Outside) URL() string { return "nats://" + o.ns.Addr().String() }

// MonitorURL is the address of the monitoring pages.
func (o *Outside) MonitorURL() string { return "http://" + o.ns.MonitorAddr().String() }

// Asked are the subjects that a client of this name published to or subscribed, each once, in the form "PUB subject".
func (o *Outside) Asked(client string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.traced[client]))
}

// Denied is what the server denied so far.
func (o *Outside) Denied() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.denied)
}

// Lines of the server's trace: which connection has which name, and what one asks for.
var (
	greeting = regexp.MustCompile(`cid:(\d+) .*<<- \[CONNECT .*"name":"sluice-(\w+)"`)
	request  = regexp.MustCompile(`cid:(\d+) .*<<- \[H?(PUB|SUB) (\S+)`)
)

// Tracef reads along what clients ask for.
func (o *Outside) Tracef(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	o.mu.Lock()
	defer o.mu.Unlock()
	if found := greeting.FindStringSubmatch(line); found != nil {
		o.names[found[1]] = found[2]
	} else if found := request.FindStringSubmatch(line); found != nil {
		name := o.names[found[1]]
		if o.traced[name] == nil {
			o.traced[name] = map[string]struct{}{}
		}
		o.traced[name][found[2]+" "+found[3]] = struct{}{}
	}
}

// Errorf keeps violations.
func (o *Outside) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "iolation") {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.denied = append(o.denied, text)
	}
}

// Noticef is not looked at.
func (o *Outside) Noticef(string, ...any) {}

// Warnf is not looked at.
func (o *Outside) Warnf(string, ...any) {}

// Debugf is not looked at.
func (o *Outside) Debugf(string, ...any) {}

// Fatalf is not looked at.
func (o *Outside) Fatalf(string, ...any) {}
