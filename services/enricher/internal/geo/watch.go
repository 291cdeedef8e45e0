package geo

import (
	"context"
	"path/filepath"
	"strings"
	"time"
)

const (
	pollEvery = 5 * time.Second
	warnEvery = 24 * time.Hour
	maxAge    = 90 * 24 * time.Hour
)

// Run takes over new files until ctx ends. Looking at the files again and again costs nothing and works on every file
// system, also for a volume of Kubernetes, which changes by a link.
func (d *Database) Run(ctx context.Context) error {
	look, remind := time.NewTicker(pollEvery), time.NewTicker(warnEvery)
	defer look.Stop()
	defer remind.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			d.poll()
		case <-remind.C:
			d.warnOfAge()
		}
	}
}

// poll loads the files if they have changed, and have been the same at two looks: a copy may take its time.
func (d *Database) poll() {
	if d.path == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	found, err := list(d.path)
	if err != nil {
		d.refuse(err)
		return
	}
	settled := found.same(d.seen)
	d.seen = found
	if found.same(d.loaded) {
		d.refused = ""
		return
	}
	if !settled || d.refused == reasonOf(found) {
		return
	}
	if err := d.load(found); err != nil {
		d.refuse(err)
		d.refused = reasonOf(found)
		return
	}
	d.counts.reloaded.Add(1)
}

// reasonOf tells one listing from another one.
func reasonOf(l listing) string {
	var b strings.Builder
	for _, e := range l {
		b.WriteString(e.path + e.info.ModTime().String() + "\x00")
	}
	return b.String()
}

// refuse keeps what is in use and says so once.
func (d *Database) refuse(err error) {
	if d.refused == err.Error() {
		return
	}
	d.refused = err.Error()
	d.counts.failed.Add(1)
	d.log.Error("the new GeoIP database is not used; the old one stays in use", "path", d.path, "error", err)
}

// load puts a listing into use, or returns why it cannot.
func (d *Database) load(found listing) error {
	g, err := found.read(d.current.Load(), d.log)
	if err != nil {
		return err
	}
	for _, f := range g.files {
		f.Uses = g.uses(f)
	}
	d.current.Store(g)
	d.loaded, d.seen, d.refused = found, found, ""
	for _, i := range d.Databases() {
		if len(i.Uses) == 0 {
			d.log.Warn("a GeoIP database is not used: another one knows more, or is newer", "file", i.Name, "type", i.Type)
			continue
		}
		d.log.Info("GeoIP database loaded", "file", i.Name, "type", i.Type, "uses", i.Uses, "built", i.Built,
			"attribution", i.Attribution, "licence", i.Licence)
	}
	d.warnOfAge()
	return nil
}

// warnOfAge names the databases in use that are old: addresses move between countries and networks all the time.
func (d *Database) warnOfAge() {
	for _, i := range d.Databases() {
		if age := time.Since(i.Built); age > maxAge && len(i.Uses) > 0 {
			d.log.Warn("a GeoIP database is old: replace the file, it is taken over without a restart",
				"file", i.Name, "built", i.Built, "days", int(age.Hours()/24), "path", d.path)
		}
	}
}

// escape makes a folder's name stand for itself in a pattern.
func escape(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
