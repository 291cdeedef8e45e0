package fault_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// host is a machine of a site: an address of its own and, where we are root, a network namespace of its own. inner is a
// second address, by which hosts reach each other: it counts as loopback, and with any other one Elasticsearch asks for
// limits that not every machine grants.
type host struct {
	name, ip, inner, netns string
}

// site is a network of hosts. As root each host is a network namespace on a bridge, so that any two can be cut off from
// each other; else each is an address of loopback, and nothing can be cut.
//
//	this process ── bridge ─┬─ nats-1
//	                        ├─ elastic-1
//	                        └─ receiver …
type site struct {
	keeper *keeper
	prefix string // the first three numbers of the addresses
	number int    // in the addresses
	bridge string // empty without network namespaces
	hosts  []*host
	ways   map[[2]*host]bool // that are cut
}

// newSite makes an empty network with a number of its own, or finds the one that stayed.
func newSite(k *keeper, pid int) (*site, error) {
	s := &site{keeper: k, number: pid % 250, ways: map[[2]*host]bool{}}
	if os.Geteuid() != 0 {
		s.prefix = fmt.Sprintf("127.%d.%d", 200+pid>>8%50, pid%256)
		return s, nil
	}
	s.prefix, s.bridge = fmt.Sprintf("10.213.%d", pid%250), fmt.Sprintf("slb%d", pid)
	if ip("link", "show", s.bridge) == nil {
		return s, nil
	}
	k.tell("+", "link", s.bridge)
	return s, errors.Join(
		ip("link", "add", s.bridge, "type", "bridge"),
		ip("addr", "add", s.prefix+".254/24", "dev", s.bridge),
		ip("link", "set", s.bridge, "up"),
	)
}

// ip runs iproute2, which is all that the network takes.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// add makes a host with a number of its own.
func (s *site) add(name string, number int) (*host, error) {
	h := &host{name: name, ip: s.prefix + "." + strconv.Itoa(number)}
	s.hosts = append(s.hosts, h)
	if h.inner = h.ip; s.bridge == "" {
		return h, nil
	}
	h.inner = fmt.Sprintf("127.213.%d.%d", s.number, number)
	h.netns = fmt.Sprintf("%sn%d", s.bridge, number)
	outer := fmt.Sprintf("%sv%d", s.bridge, number)
	if len(outer) > 15 { // the longest name of a link
		outer = outer[len(outer)-15:]
	}
	if _, err := os.Stat("/run/netns/" + h.netns); err == nil {
		return h, nil
	}
	s.keeper.tell("+", "netns", h.netns)
	return h, errors.Join(
		ip("netns", "add", h.netns),
		ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", h.netns),
		ip("link", "set", outer, "master", s.bridge, "up"),
		ip("-n", h.netns, "addr", "add", h.ip+"/24", "dev", "eth0"),
		ip("-n", h.netns, "link", "set", "lo", "up"),
		ip("netns", "exec", h.netns, "sh", "-c", "echo 1 | tee /proc/sys/net/ipv4/conf/all/route_localnet >/proc/sys/net/ipv4/conf/eth0/route_localnet"),
		ip("-n", h.netns, "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local"),
		ip("-n", h.netns, "addr", "add", h.inner+"/24", "dev", "eth0"),
		ip("-n", h.netns, "link", "set", "eth0", "up"),
	)
}

// within is the program and its arguments that run a program on a host.
func (h *host) within(program string, args ...string) (string, []string) {
	if h.netns == "" {
		return program, args
	}
	return "ip", append([]string{"netns", "exec", h.netns, program}, args...)
}

// cut drops silently what a host sends to another one: it gets a wrong link address for it.
func (s *site) cut(from, to *host) error {
	s.ways[[2]*host{from, to}] = true
	wrong := func(address string) error {
		return ip("-n", from.netns, "neigh", "replace", address, "lladdr", "02:00:00:00:de:ad", "dev", "eth0", "nud", "permanent")
	}
	return errors.Join(wrong(to.ip), wrong(to.inner))
}

// part cuts both ways between two hosts.
func (s *site) part(a, b *host) error { return errors.Join(s.cut(a, b), s.cut(b, a)) }

// mend joins all hosts again.
func (s *site) mend() error {
	var errs []error
	for way := range s.ways {
		for _, address := range []string{way[1].ip, way[1].inner} {
			errs = append(errs, ip("-n", way[0].netns, "neigh", "del", address, "dev", "eth0"))
		}
	}
	clear(s.ways)
	return errors.Join(errs...)
}

// resent counts the TCP segments that the hosts had to send again: what a cut makes of a connection.
func (s *site) resent(hosts ...*host) (sum int) {
	for _, h := range hosts {
		if h.netns == "" {
			continue
		}
		out, _ := exec.Command("ip", "netns", "exec", h.netns, "cat", "/proc/net/snmp").Output() // it is only evidence
		var names []string
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || fields[0] != "Tcp:" {
				continue
			}
			if names == nil {
				names = fields
				continue
			}
			for i, name := range names {
				if n, err := strconv.Atoi(fields[i]); name == "RetransSegs" && err == nil {
					sum += n
				}
			}
		}
	}
	return sum
}

// forgetNetwork removes a network namespace or a link.
func forgetNetwork(kind, name string) {
	if kind == "netns" {
		_ = ip("netns", "del", name) // its links go with it
	} else {
		_ = ip("link", "del", name)
	}
}

// remove makes hosts undone.
func (s *site) remove(hosts ...*host) {
	for _, h := range hosts {
		if h.netns != "" {
			forgetNetwork("netns", h.netns)
			s.keeper.tell("-", "netns", h.netns)
		}
	}
}

func (s *site) end() {
	s.remove(s.hosts...)
	if s.bridge != "" {
		forgetNetwork("link", s.bridge)
		s.keeper.tell("-", "link", s.bridge)
	}
}
