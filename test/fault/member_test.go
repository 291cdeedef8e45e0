package fault_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Ports of a NATS server on a host of its own.
const (
	natsPort    = 4222
	routePort   = 6222
	monitorPort = 8222
)

// member is one server of a NATS cluster.
type member struct {
	Name, Host, Dir string
	Routes          []string // addresses of all members
}

// serveMember is a member as a process of its own, until SIGTERM or until whoever started it is gone.
func serveMember(raw string) int {
	var m member
	err := json.Unmarshal([]byte(raw), &m)
	if err == nil {
		err = m.serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no NATS server:", err)
		return 1
	}
	return 0
}

func (m member) serve() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, os.Interrupt)
	parent := os.Getppid()
	var routes []string
	for _, host := range m.Routes {
		routes = append(routes, address("nats", host, routePort))
	}
	ns, err := server.NewServer(&server.Options{
		ServerName: m.Name, Host: m.Host, Port: natsPort, HTTPHost: m.Host, HTTPPort: monitorPort,
		Cluster: server.ClusterOpts{Name: "fault", Host: m.Host, Port: routePort}, Routes: server.RoutesFromStr(strings.Join(routes, ",")),
		JetStream: true, StoreDir: m.Dir, JetStreamMaxStore: 16 << 30, JetStreamMaxMemory: 64 << 20,
		SyncInterval: 2 * time.Minute, SyncAlways: true, MaxPayload: 8 << 20, MaxPending: 64 << 20,
		NoSigs: true, DisableJetStreamBanner: true, Logtime: true,
	})
	if err != nil {
		return err
	}
	ns.ConfigureLogger()
	ns.Start()
	for {
		select {
		case <-end:
			ns.Shutdown()
			ns.WaitForShutdown()
			return nil
		case <-time.After(time.Second):
			if os.Getppid() != parent {
				return nil
			}
		}
	}
}
