// Package arch_test checks the architecture that neither the compiler nor a linter of single files sees: what each
// binary links in the end, and which packages know each other.
package arch_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module   = "github.com/sluicelog/sluice/"
	services = module + "services/"

	elasticClient = "github.com/elastic/"
	natsServer    = "github.com/nats-io/nats-server/"
	natsClient    = "github.com/nats-io/nats.go"
	mux           = "github.com/gorilla/mux"
	cobra         = "github.com/spf13/cobra"
	mmdbWriter    = "github.com/maxmind/mmdbwriter"
	envconfig     = "github.com/kelseyhightower/envconfig"
)

// forbidden says what a binary must not link, with the reason.
type forbidden struct{ prefix, reason string }

// binaries maps a service to what its own binary must not link. services/sluice links all of it: it runs everything.
func binaries() map[string][]forbidden {
	return map[string][]forbidden{
		"receiver": {
			{elasticClient, "it must answer while Elasticsearch is away"},
			{natsServer, "only the operator's binary carries a server"},
			{services + "enricher", "a service never links another"},
			{services + "indexer", "a service never links another"},
			{services + "retention", "a service never links another"},
			{services + "sluice", "a service never links another"},
			{cobra, "a service has settings, not commands"},
			{"testing", "test code has no place in a binary"},
		},
		"enricher": {
			{elasticClient, "only a sink talks to Elasticsearch"},
			{natsServer, "only the operator's binary carries a server"},
			{mux, "it has no public routes"},
			{mmdbWriter, "it reads databases; `make geoip` writes them"},
			{services + "receiver", "a service never links another"},
			{services + "indexer", "a service never links another"},
			{services + "retention", "a service never links another"},
			{services + "sluice", "a service never links another"},
			{cobra, "a service has settings, not commands"},
			{"testing", "test code has no place in a binary"},
		},
		"indexer": {
			{natsServer, "only the operator's binary carries a server"},
			{mux, "it has no public routes"},
			{services + "receiver", "a service never links another"},
			{services + "enricher", "a service never links another"},
			{services + "retention", "a service never links another"},
			{services + "sluice", "a service never links another"},
			{cobra, "a service has settings, not commands"},
			{"testing", "test code has no place in a binary"},
		},
		"retention": {
			{natsServer, "only the operator's binary carries a server"},
			{mux, "it has no public routes"},
			{services + "receiver", "a service never links another"},
			{services + "enricher", "a service never links another"},
			{services + "indexer", "a service never links another"},
			{services + "sluice", "a service never links another"},
			{cobra, "a service has settings, not commands"},
			{"testing", "test code has no place in a binary"},
		},
		"sluice": {
			{mmdbWriter, "it reads databases; `make geoip` writes them"},
			{"testing", "test code has no place in a binary"},
		},
	}
}

// pkg is what `go list` says of one package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// linked lists all that a service's binary links. It asks in the service's own module, without the workspace, as the
// container images are built.
func linked(t *testing.T, service string) []pkg {
	t.Helper()
	return list(t, filepath.Join("../../services", service), "off", "-deps", services+service+"/cmd/"+service)
}

// inWorkspace lists the packages that match the patterns, of all modules.
func inWorkspace(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	work, err := filepath.Abs("../../go.work")
	if err != nil {
		t.Fatal(err)
	}
	return list(t, filepath.Dir(work), work, patterns...)
}

// list runs `go list -json` in a folder, with a workspace file or "off". GOFLAGS of outside are not wanted: a -mod or
// -tags there would answer another question.
func list(t *testing.T, dir, workspace string, args ...string) []pkg {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK="+workspace, "GOFLAGS=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var found []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading the answer of go list: %v", err)
		}
		found = append(found, p)
	}
	if len(found) == 0 {
		t.Fatalf("go %s found no package", strings.Join(args, " "))
	}
	return found
}

func TestBinariesLinkOnlyWhatTheyNeed(t *testing.T) {
	for name, rules := range binaries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := linked(t, name)
			for _, rule := range rules {
				for _, p := range all {
					if under(p.ImportPath, rule.prefix) {
						t.Errorf("links %s: %s; imported by %v", p.ImportPath, rule.reason, importers(all, p.ImportPath))
						break
					}
				}
			}
		})
	}
}

// The table above would prove nothing if its names were wrong: the operator's binary links all that the others must not.
func TestTheOperatorsBinaryLinksWhatIsForbiddenElsewhere(t *testing.T) {
	all := linked(t, "sluice")
	for _, prefix := range []string{elasticClient, natsServer, natsClient, mux, cobra, envconfig, services + "receiver", services + "enricher", services + "indexer", services + "retention"} {
		if len(matching(all, prefix)) == 0 {
			t.Errorf("does not link %s: is the name in this test still right?", prefix)
		}
	}
}

func TestServicesNeverImportEachOther(t *testing.T) {
	for _, p := range inWorkspace(t, services+"...") {
		own := owner(p.ImportPath)
		if own == "sluice" {
			continue // runs all services in one process, by their root packages
		}
		for _, path := range imports(p) {
			if other := owner(path); other != "" && other != own {
				t.Errorf("%s imports %s: what two services need goes to shared", p.ImportPath, path)
			}
		}
	}
}

func TestTheOperatorImportsRootPackagesOnly(t *testing.T) {
	for _, p := range inWorkspace(t, services+"sluice/...") {
		for _, path := range imports(p) {
			if other := owner(path); other != "" && other != "sluice" && path != services+other {
				t.Errorf("%s imports %s: only %s is meant for it", p.ImportPath, path, services+other)
			}
		}
	}
}

func TestSharedNeverImportsServicesOrTests(t *testing.T) {
	for _, p := range inWorkspace(t, module+"shared/...") {
		for _, path := range imports(p) {
			if under(path, services) || under(path, module+"test/") {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
}

func TestEachDependencyHasOneDoor(t *testing.T) {
	doors := []struct {
		dependency string
		doors      []string // package prefixes that may import it
	}{
		{natsClient, []string{"shared/stream"}},
		{natsServer, []string{"shared/stream/embedded", "shared/stream/streamtest"}},
		{elasticClient, []string{"shared/elastic"}},
		{envconfig, []string{"shared/config"}},
		{mux, []string{"services/receiver"}},
		{cobra, []string{"services/sluice"}},
	}
	all := inWorkspace(t, module+"shared/...", services+"...")
	for _, rule := range doors {
		used := false
		for _, p := range all {
			for _, path := range imports(p) {
				if !under(path, rule.dependency) {
					continue
				}
				used = true
				if !behind(p.ImportPath, rule.doors) {
					t.Errorf("%s imports %s: its only door is %v", p.ImportPath, path, rule.doors)
				}
			}
		}
		if !used {
			t.Errorf("nothing imports %s: is the name in this test still right?", rule.dependency)
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "base", "core", "types", "models", "manager", "misc", "pkg"}
	for _, p := range inWorkspace(t, module+"shared/...", services+"...", module+"test/...") {
		for _, name := range empty {
			if filepath.Base(p.ImportPath) == name {
				t.Errorf("%s: the name %q says nothing", p.ImportPath, name)
			}
		}
	}
}

// under reports whether path is prefix or below it.
func under(path, prefix string) bool {
	return path == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

// owner is the service that a package belongs to, empty for others.
func owner(path string) string {
	rest, ok := strings.CutPrefix(path, services)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func behind(path string, doors []string) bool {
	for _, door := range doors {
		if under(path, module+door) {
			return true
		}
	}
	return false
}

// imports are all that a package or its tests import.
func imports(p pkg) []string {
	return append(append(append([]string{}, p.Imports...), p.TestImports...), p.XTestImports...)
}

func importers(all []pkg, path string) []string {
	var by []string
	for _, p := range all {
		for _, imported := range p.Imports {
			if imported == path {
				by = append(by, p.ImportPath)
			}
		}
	}
	return by
}

func matching(all []pkg, prefix string) []string {
	var found []string
	for _, p := range all {
		if under(p.ImportPath, prefix) {
			found = append(found, p.ImportPath)
		}
	}
	return found
}
