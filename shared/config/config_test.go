package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
)

// Store stands for a settings struct that several services embed.
type Store struct {
	URL string `envconfig:"NATS_URL" default:"nats://127.0.0.1:4222" desc:"where the stream is"`
}

type settings struct {
	Store
	Listen  string        `split_words:"true" default:"127.0.0.1:8080" desc:"address"`
	MaxBody config.Bytes  `split_words:"true" default:"32MiB" desc:"limit"`
	Wait    time.Duration `split_words:"true" default:"30s" desc:"wait"`
	Key     config.Secret `envconfig:"API_KEY" desc:"key"`
}

func TestDefaultsAndCommonNames(t *testing.T) {
	t.Setenv("NATS_URL", "nats://other:4222")
	t.Setenv("LISTEN", "somebody else's")
	var s settings
	if err := config.Load("demo", &s); err != nil {
		t.Fatal(err)
	}
	if s.URL != "nats://other:4222" || s.Listen != "127.0.0.1:8080" || s.MaxBody != 32<<20 || s.Wait != 30*time.Second {
		t.Fatalf("got %+v", s)
	}
}

func TestAPrefixedNameWinsOverTheCommonOne(t *testing.T) {
	t.Setenv("NATS_URL", "nats://common:4222")
	t.Setenv("DEMO_NATS_URL", "nats://own:4222")
	var s settings
	if err := config.Load("demo", &s); err != nil || s.URL != "nats://own:4222" {
		t.Fatalf("got %q, %v", s.URL, err)
	}
}

func TestAnUnknownVariableSuggestsTheNearest(t *testing.T) {
	t.Setenv("DEMO_LISTNE", ":1")
	t.Setenv("DEMO_PORT_8080_TCP", "injected")
	t.Setenv("DEMO_SERVICE_HOST", "injected")
	err := config.Load("demo", &settings{})
	if err == nil || !strings.Contains(err.Error(), "DEMO_LISTNE: did you mean DEMO_LISTEN?") {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "PORT") || strings.Contains(err.Error(), "HOST") {
		t.Fatalf("injected variables were refused: %v", err)
	}
}

func TestABadValueNamesItsVariable(t *testing.T) {
	t.Setenv("DEMO_MAX_BODY", "-3MiB")
	err := config.Load("demo", &settings{})
	if err == nil || !strings.Contains(err.Error(), "DEMO_MAX_BODY") {
		t.Fatalf("got %v", err)
	}
}

func TestASecretComesFromItsFileAndIsNeverShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("canary-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("API_KEY_FILE", path)
	var s settings
	if err := config.Load("demo", &s); err != nil {
		t.Fatal(err)
	}
	if s.Key.Reveal() != "canary-value" {
		t.Fatalf("got %q", s.Key.Reveal())
	}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := config.Effective(&out, "demo", &s); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(asJSON), fmt.Sprintf("%v %+v %#v %s", s, s, s.Key, s.Key), out.String()} {
		if strings.Contains(text, "canary") {
			t.Fatalf("the secret shows in %s", text)
		}
	}
}

func TestSecretAsValueAndAsFileIsRefused(t *testing.T) {
	t.Setenv("API_KEY", "one")
	t.Setenv("API_KEY_FILE", "two")
	err := config.Load("demo", &settings{})
	if err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Fatalf("got %v", err)
	}
}

func TestSizesRoundTrip(t *testing.T) {
	for text, want := range map[string]config.Bytes{"0": 0, "17": 17, "64KiB": 65536, "1GB": 1e9, "2 GiB": 2 << 30} {
		var b config.Bytes
		if err := b.Decode(text); err != nil || b != want {
			t.Errorf("%s: got %d, %v", text, b, err)
		}
		var again config.Bytes
		if err := again.Decode(b.String()); err != nil || again != b {
			t.Errorf("%s: %s decodes to %d, %v", text, b, again, err)
		}
	}
}
