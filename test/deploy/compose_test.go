// Package deploy_test checks the files under deployments without a container engine: they are loaded by the library
// that Compose itself is made of, and what the pages beside them promise is asserted.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const composeDir = "../../deployments/compose"

// load reads compose.yaml, with the tools profile, in an environment that has the required secrets and env.
func load(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	env = append([]string{
		"ELASTIC_PASSWORD=elastic-secret", "KIBANA_PASSWORD=kibana-secret", "SLUICE_SETUP_PASSWORD=setup-secret",
		"SLUICE_INDEXER_PASSWORD=indexer-secret", "SLUICE_OPERATOR_PASSWORD=operator-secret", "SLUICE_RETENTION_PASSWORD=retention-secret",
		"KIBANA_ENCRYPTION_KEY=" + strings.Repeat("k", 32),
	}, env...)
	options, err := cli.NewProjectOptions([]string{filepath.Join(composeDir, "compose.yaml")},
		cli.WithEnv(env), cli.WithDiscardEnvFile, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t)
	if err != nil {
		t.Fatalf("loading compose.yaml: %v", err)
	}
	return p
}

// ours are the long-running services, which can be asked for their health.
func ours() []string { return []string{"receiver", "enricher", "indexer", "retention"} }

func TestTheFileHasOneContainerPerServiceAndWhatTheyNeed(t *testing.T) {
	want := []string{"cli", "elasticsearch", "enricher", "indexer", "kibana", "nats", "receiver", "retention", "setup", "users"}
	if got := slices.Sorted(slices.Values(project(t).ServiceNames())); !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
}

func TestServicesStartAfterAHealthyStreamAndASetupThatSucceeded(t *testing.T) {
	p := project(t)
	want := map[string]map[string]string{
		"receiver":  {"nats": types.ServiceConditionHealthy, "setup": types.ServiceConditionCompletedSuccessfully},
		"enricher":  {"nats": types.ServiceConditionHealthy, "setup": types.ServiceConditionCompletedSuccessfully},
		"indexer":   {"nats": types.ServiceConditionHealthy, "setup": types.ServiceConditionCompletedSuccessfully},
		"retention": {"nats": types.ServiceConditionHealthy, "setup": types.ServiceConditionCompletedSuccessfully},
		"setup":     {"nats": types.ServiceConditionHealthy, "users": types.ServiceConditionCompletedSuccessfully},
		"users":     {"elasticsearch": types.ServiceConditionHealthy},
		"kibana":    {"users": types.ServiceConditionCompletedSuccessfully},
	}
	for name, conditions := range want {
		got := p.Services[name].DependsOn
		if len(got) != len(conditions) {
			t.Errorf("%s depends on %v, want %v", name, got, conditions)
		}
		for on, condition := range conditions {
			if got[on].Condition != condition {
				t.Errorf("%s waits for %s to be %q, want %q", name, on, got[on].Condition, condition)
			}
		}
	}
	for name, service := range p.Services {
		for on, dependency := range service.DependsOn {
			if dependency.Condition == types.ServiceConditionHealthy && p.Services[on].HealthCheck == nil {
				t.Errorf("%s waits for %s to be healthy, which has no health check", name, on)
			}
		}
	}
}

func TestWorkersCanBeScaled(t *testing.T) {
	p := project(t)
	for _, name := range []string{"enricher", "indexer"} {
		s := p.Services[name]
		if s.ContainerName != "" || s.Hostname != "" || len(s.Ports) > 0 || len(s.Volumes) > 0 {
			t.Errorf("%s has a name, a port or a volume, of which there can be only one: %q %q %v %v",
				name, s.ContainerName, s.Hostname, s.Ports, s.Volumes)
		}
	}
}

func TestPublishedPortsAreOnLoopbackOnly(t *testing.T) {
	published := 0
	for name, service := range project(t).Services {
		for _, port := range service.Ports {
			published++
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q, want 127.0.0.1", name, port.Published, port.HostIP)
			}
		}
	}
	if published != 3 {
		t.Errorf("%d ports are published, want those of receiver, elasticsearch and kibana", published)
	}
}

func TestReceiverAndEnricherShareNoNetworkWithElasticsearch(t *testing.T) {
	p := project(t)
	for _, name := range []string{"receiver", "enricher"} {
		for network := range p.Services[name].Networks {
			if _, shared := p.Services["elasticsearch"].Networks[network]; shared {
				t.Errorf("%s and elasticsearch are both on %s", name, network)
			}
		}
	}
	for _, name := range []string{"stream", "search"} {
		if !p.Networks[name].Internal {
			t.Errorf("network %s has a way out", name)
		}
	}
}

func TestImagesOfOthersArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z/]+:\d+\.\d+\.\d+(-[a-z]+)?$`)
	for name, service := range project(t).Services {
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("%s runs %q, want a tag with a full version", name, service.Image)
		}
	}
}

func TestImagesOfOursAreBuiltFromTheOneDockerfile(t *testing.T) {
	for name, service := range project(t).Services {
		if service.Build == nil {
			continue
		}
		file := filepath.Join(service.Build.Context, service.Build.Dockerfile)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		binary := service.Build.Args["SERVICE"]
		if binary == nil {
			t.Errorf("%s names no SERVICE to build", name)
			continue
		}
		main := filepath.Join(service.Build.Context, "services", *binary, "cmd", *binary, "main.go")
		if _, err := os.Stat(main); err != nil {
			t.Errorf("%s builds %s: %v", name, *binary, err)
		}
	}
}

func TestContainersAreConfined(t *testing.T) {
	writes := []string{"elasticsearch", "kibana"} // below their own folders
	for name, service := range project(t).Services {
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") || service.Privileged {
			t.Errorf("%s may gain privileges", name)
		}
		if service.ReadOnly == slices.Contains(writes, name) {
			t.Errorf("%s: read_only is %v", name, service.ReadOnly)
		}
		if service.Deploy == nil || service.Deploy.Resources.Limits == nil ||
			service.Deploy.Resources.Limits.MemoryBytes == 0 || service.Deploy.Resources.Limits.Pids == 0 {
			t.Errorf("%s has no limit of memory or processes", name)
		}
	}
}

func TestHealthIsAskedByTheBinaryItself(t *testing.T) {
	p := project(t)
	for _, name := range ours() {
		service := p.Services[name]
		if service.HealthCheck == nil || !slices.Equal([]string(service.HealthCheck.Test), []string{"CMD", "/service", "-health"}) {
			t.Errorf("%s: health check %+v", name, service.HealthCheck)
		}
		if listen := service.Environment["ADMIN_LISTEN"]; listen == nil || *listen != ":9090" {
			t.Errorf("%s: ADMIN_LISTEN is not :9090", name)
		}
	}
}

func TestASecretThatIsMissingStopsTheStart(t *testing.T) {
	for _, name := range []string{"ELASTIC_PASSWORD", "KIBANA_PASSWORD", "SLUICE_SETUP_PASSWORD", "SLUICE_INDEXER_PASSWORD", "SLUICE_OPERATOR_PASSWORD", "SLUICE_RETENTION_PASSWORD", "KIBANA_ENCRYPTION_KEY"} {
		if _, err := load(t, name+"="); err == nil || !strings.Contains(err.Error(), ".env") {
			t.Errorf("without %s: %v, want an error that names .env", name, err)
		}
	}
}

func TestEveryVariableOfTheFileIsInTheExample(t *testing.T) {
	file, example := read(t, "compose.yaml"), read(t, ".env.example")
	used := regexp.MustCompile(`[^$]\$\{([A-Z_]+)`).FindAllStringSubmatch(file, -1)
	if len(used) == 0 {
		t.Fatal("no variable found")
	}
	for _, match := range used {
		if name := match[1]; name != "SLUICE_VERSION" && !regexp.MustCompile(`(?m)^#?`+name+`=`).MatchString(example) {
			t.Errorf(".env.example does not show %s", name)
		}
	}
	if values := regexp.MustCompile(`(?m)^[A-Z_]*(PASSWORD|KEY)=.+$`).FindAllString(example, -1); values != nil {
		t.Errorf(".env.example holds secrets: %q", values)
	}
}

// Each service is asked for its table of settings: a name that is not in it would be ignored in silence.
func TestEverySettingIsOneThatTheServiceKnows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the three services")
	}
	p := project(t)
	for _, name := range ours() {
		binary := build(t, name)
		help := run(t, nil, binary, "-help")
		var env []string
		for key, value := range p.Services[name].Environment {
			if value == nil {
				t.Errorf("%s: %s has no value", name, key)
				continue
			}
			env = append(env, key+"="+*value)
			if key != "GOMEMLIMIT" && !regexp.MustCompile(`\b`+key+`\b`).MatchString(help) {
				t.Errorf("%s does not know %s; it knows:\n%s", name, key, help)
			}
		}
		if shown := run(t, env, binary, "config"); strings.Contains(shown, "-secret") {
			t.Errorf("%s config shows the password", name)
		}
	}
}

func TestEachTaskLogsInToElasticsearchAsAUserOfItsOwn(t *testing.T) {
	p, script := project(t), read(t, "users.sh")
	for service, user := range map[string]string{"setup": "sluice_setup", "indexer": "sluice_indexer", "cli": "sluice_operator", "retention": "sluice_retention"} {
		if name := p.Services[service].Environment["ELASTICSEARCH_USERNAME"]; name == nil || *name != user {
			t.Errorf("%s does not log in as %s", service, user)
		}
		if !strings.Contains(script, "\nuser "+user+" ") {
			t.Errorf("users.sh makes no user %s", user)
		}
	}
	roles, err := filepath.Glob("../../shared/elastic/assets/roles/*.json")
	if err != nil || len(roles) == 0 {
		t.Fatalf("no roles: %v", err)
	}
	mounted := map[string]string{}
	for _, c := range p.Services["users"].Configs {
		mounted[c.Target] = filepath.Base(p.Configs[c.Source].File)
	}
	for _, file := range roles {
		name := filepath.Base(file)
		short := strings.TrimSuffix(strings.TrimPrefix(name, "sluice_"), ".json")
		if mounted["/roles/"+name] != name || !regexp.MustCompile(`(?m)^for role in .*\b`+short+`\b`).MatchString(script) {
			t.Errorf("users.sh does not store role %s: mounted is %v", name, mounted)
		}
	}
}

func TestTheStreamServerWritesWhatItAcknowledges(t *testing.T) {
	p := project(t)
	if file := filepath.Base(p.Configs["nats"].File); file != "nats.conf" {
		t.Fatalf("nats reads %q", file)
	}
	if !regexp.MustCompile(`(?m)^\s*sync_interval: always$`).MatchString(read(t, "nats.conf")) {
		t.Error("nats.conf does not say sync_interval: always")
	}
	if volumes := p.Services["nats"].Volumes; len(volumes) != 1 || volumes[0].Type != types.VolumeTypeVolume || volumes[0].Target != "/data" {
		t.Errorf("the stream is not kept on a volume: %+v", volumes)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(composeDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// build makes the service's binary as its image has it: from its own module, without the workspace.
func build(t *testing.T, service string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), service)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./cmd/"+service)
	cmd.Dir = filepath.Join("../../services", service)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", service, err, out)
	}
	return binary
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}
