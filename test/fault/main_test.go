// Package fault_test runs a load against real processes, breaks one thing at a random but printed moment, waits until all
// is quiet, and checks the promise: every acknowledged event is searchable exactly once or lies among the dead letters.
//
//	go test ./fault -v -run '^TestFaults$' -fault=nats-kill -seed=7     one
//	go test ./fault -v -run '^TestFaults$' -fault=all -seeds=5 -results=FILE   all, five times; goes on where it was stopped
//	go test ./fault -v -run '^TestMutants$' -mutant=all                 broken Sluices, each of which must fail
//	go test ./fault -v -run '^TestSoak$' -soak=1h -results=FILE         faults by chance, one after another on one rig
//	go test ./fault -v -run '^TestOutage$' -outage=10m -rate=2000       Elasticsearch away for long: answers, memory, catching up
//
// Everything listens on loopback, and only processes that this one started are ended, by their number.
package fault_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/shared/stream/embedded"
)

// Variables by which this program starts itself as something else.
const (
	natsVariable   = "SLUICE_FAULT_NATS"   // the folder of a NATS server
	memberVariable = "SLUICE_FAULT_MEMBER" // a member of a NATS cluster, as JSON
	keeperVariable = "SLUICE_FAULT_KEEPER" // not empty: the keeper
	roomVariable   = "SLUICE_FAULT_ROOM"   // how many bytes the NATS server may store
	lazyVariable   = "SLUICE_FAULT_LAZY"   // not empty: the NATS server syncs every two minutes, as it does by default
)

// settings are the command line.
type settings struct {
	fault   string
	seed    uint64
	seeds   int
	results string
	again   bool
	rate    float64
	soak    time.Duration
	outage  time.Duration
	mutant  string
	stay    string
	page    string
}

var options settings //nolint:gochecknoglobals // flags exist once per process

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(natsVariable) != "":
		os.Exit(serveNATS(os.Getenv(natsVariable)))
	case os.Getenv(memberVariable) != "":
		os.Exit(serveMember(os.Getenv(memberVariable)))
	case os.Getenv(keeperVariable) != "":
		os.Exit(keep())
	}
	flag.StringVar(&options.fault, "fault", "", "names of faults, separated by commas, or all")
	flag.Uint64Var(&options.seed, "seed", 1, "first seed")
	flag.IntVar(&options.seeds, "seeds", 1, "how many seeds, counted from the first")
	flag.StringVar(&options.results, "results", "", "file that rows are added to; what it holds of this build is not run again")
	flag.BoolVar(&options.again, "again", false, "run also what the results hold already")
	flag.Float64Var(&options.rate, "rate", 400, "events per second of the load")
	flag.DurationVar(&options.soak, "soak", 0, "how long TestSoak runs")
	flag.DurationVar(&options.outage, "outage", 0, "how long Elasticsearch is away in TestOutage")
	flag.StringVar(&options.mutant, "mutant", "", "names of mutants, separated by commas, or all")
	flag.StringVar(&options.stay, "stay", "", "folder of a cluster that outlives the run, for the next one to use; TestClusterEnds ends it")
	flag.StringVar(&options.page, "page", "", "file that TestPage writes the results to")
	os.Exit(m.Run())
}

// addresses is what a started NATS server writes beside its folder.
type addresses struct{ URL, Monitor string }

// serveNATS is a NATS server as a process of its own, with the settings of the all-in-one's. It ends with a signal, or
// with whoever started it.
func serveNATS(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	parent := os.Getppid()
	if os.Getenv(lazyVariable) != "" {
		return serveLazily(ctx, dir)
	}
	room, err := strconv.ParseInt(cmp.Or(os.Getenv(roomVariable), strconv.Itoa(16<<30)), 10, 64)
	if err != nil {
		log.Error("no NATS server", "error", err)
		return 1
	}
	s, err := embedded.Start(ctx, embedded.Options{Dir: dir, MaxStore: room, Monitor: true, Log: log})
	if err == nil {
		err = announce(dir, addresses{s.URL(), s.MonitorURL()})
	}
	if err != nil {
		log.Error("no NATS server", "error", err)
		return 1
	}
	for ctx.Err() == nil && os.Getppid() == parent {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Stop(limit); err != nil {
		return 1
	}
	return 0
}

// announce writes where a server listens, as a whole.
func announce(dir string, at addresses) error {
	raw, _ := json.Marshal(at) // strings always marshal
	if err := os.WriteFile(dir+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(dir+".new", dir+".json")
}

// serveLazily is a NATS server that acknowledges before its disk has the message. It must not be possible to have one
// from the product, hence here.
func serveLazily(ctx context.Context, dir string) int {
	parent := os.Getppid()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, HTTPHost: "127.0.0.1", HTTPPort: server.RANDOM_PORT,
		JetStream: true, StoreDir: dir, JetStreamMaxStore: 16 << 30, MaxPayload: embedded.MaxPayload, NoSigs: true, NoLog: true,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		fmt.Fprintln(os.Stderr, "not ready within a minute")
		return 1
	}
	if err := announce(dir, addresses{s.ClientURL(), "http://" + s.MonitorAddr().String()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for ctx.Err() == nil && os.Getppid() == parent {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	s.Shutdown()
	s.WaitForShutdown()
	return 0
}

// keeper ends what this process started when this process ends without doing so itself: it is killed, or times out.
type keeper struct {
	cmd *exec.Cmd
	in  *os.File
}

func newKeeper() (*keeper, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), keeperVariable+"=1")
	cmd.Stdin = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &keeper{cmd: cmd, in: in}, nil
}

// tell notes that something began (+) or ended (-): a process by its number, the folder of an Elasticsearch or a mount,
// or the name of a network namespace or link.
// A nil keeper keeps nothing: what it would be told of outlives this process.
func (k *keeper) tell(sign, kind, what string) {
	if k != nil {
		fmt.Fprintf(k.in, "%s %s %s\n", sign, kind, what)
	}
}

func (k *keeper) end() {
	_ = k.in.Close()
	_ = k.cmd.Wait()
}

// keep reads what began and ended until the writer is gone, then ends what is left.
func keep() int {
	signal.Ignore(os.Interrupt)
	left, born := map[[2]string]bool{}, map[string]string{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if words := strings.SplitN(lines.Text(), " ", 3); len(words) == 3 {
			left[[2]string{words[1], words[2]}] = words[0] == "+"
			born[words[2]] = birth(words[2])
		}
	}
	for thing, on := range left {
		if pid, err := strconv.Atoi(thing[1]); on && thing[0] == "process" && err == nil && birth(thing[1]) == born[thing[1]] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for thing, on := range left {
		switch n, runs := node.Running(thing[1]); {
		case on && thing[0] == "elasticsearch" && runs:
			_ = n.Stop(context.Background())
		case on && thing[0] == "mount":
			_ = exec.Command("umount", "-l", filepath.Clean(thing[1])).Run()
		case on && (thing[0] == "netns" || thing[0] == "link"):
			forgetNetwork(thing[0], thing[1])
		}
	}
	return 0
}

// birth is when a process began, where the system tells: a number alone may have passed to another process.
func birth(pid string) string {
	stat, _ := os.ReadFile("/proc/" + pid + "/stat")
	_, rest, _ := strings.Cut(string(stat), ") ")
	if fields := strings.Fields(rest); len(fields) > 19 {
		return fields[19]
	}
	return ""
}
