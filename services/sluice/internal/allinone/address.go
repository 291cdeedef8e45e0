package allinone

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
)

// usual is where a receiver listens when nobody says anything and nobody else is there.
const usual = "127.0.0.1:8080"

// address decides where to listen. What was asked for is taken as it is; else the address of the last start, so that
// the Payload URL stays, else the usual one; a free one when that is taken.
func (p *plant) address(ctx context.Context, fromSettings string) string {
	if p.Listen != "" {
		return p.Listen
	}
	if fromSettings != usual {
		return fromSettings
	}
	for _, candidate := range []string{p.secret.Listen, usual} {
		if candidate != "" && free(ctx, candidate) {
			return candidate
		}
	}
	return "127.0.0.1:0"
}

// checkAddress refuses an address that somebody else has before Elasticsearch is started in vain.
func (p *plant) checkAddress(ctx context.Context) error {
	if p.Listen == "" || free(ctx, p.Listen) {
		return nil
	}
	return fmt.Errorf("listening on --listen %s: another program has this address, or it is none of this machine; give another one, or port 0 for a free one", p.Listen)
}

// free reports whether an address can be listened on right now.
func free(ctx context.Context, address string) bool {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// rememberAddress keeps the address for the next start.
func (p *plant) rememberAddress() error {
	if at := p.receiver.Addr().String(); at != p.secret.Listen {
		p.secret.Listen = at
		return p.Dir.SaveCredentials(p.secret)
	}
	return nil
}

// reachable is an address as a program on this machine reaches it: a wildcard means loopback.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	loopback := *tcp
	loopback.IP = net.IPv4(127, 0, 0, 1)
	return loopback.String()
}

// sizeOf is what a folder holds already, in bytes; what cannot be read counts as nothing.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // go on with what can be read
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
