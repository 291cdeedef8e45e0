// Package config reads settings from the environment, strictly.
//
// It is the only door to envconfig. Every setting is one variable; a secret X may also be given as a file named by
// X_FILE; a variable that begins with our prefix and that nobody knows is an error with a suggestion, so that a typing
// mistake cannot pass for a default. Variables that Kubernetes injects for services are let through.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// Secret is a setting that no output shows. String and the encoders give a mask; Reveal gives the value.
type Secret string

// Reveal returns the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String masks the secret in every formatted output.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// GoString masks the secret in %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText masks the secret in JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Setting describes one variable of a settings struct.
type Setting struct {
	Key     string // with the service's prefix, e.g. RECEIVER_LISTEN
	Alt     string // common name without the prefix, e.g. NATS_URL; empty when there is none
	Default string
	Help    string
	Secret  bool
	field   reflect.Value
}

// Name is what people set: the common name where there is one.
func (s Setting) Name() string {
	if s.Alt != "" {
		return s.Alt
	}
	return s.Key
}

// Value is the effective value as text, masked for secrets.
func (s Setting) Value() string {
	if !s.field.IsValid() {
		return ""
	}
	if s.field.Kind() == reflect.Slice {
		parts := make([]string, s.field.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(s.field.Index(i).Interface())
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(s.field.Interface())
}

// Load fills spec, a pointer to a settings struct, from the environment. prefix is the service's name, such as
// "receiver". The error names every variable that is wrong and what to do.
func Load(prefix string, spec any) error {
	settings, err := Settings(prefix, spec)
	if err != nil {
		return err
	}
	unknown := checkUnknown(prefix, settings, os.Environ())
	if err := envconfig.Process(prefix, spec); err != nil {
		return errors.Join(unknown, explain(err))
	}
	return errors.Join(unknown, readSecretFiles(settings))
}

// explain turns envconfig's parse error into a sentence with the variable first.
func explain(err error) error {
	if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
		return fmt.Errorf("setting %s: %q is no valid %s: %w", parse.KeyName, parse.Value, parse.TypeName, parse.Err)
	}
	return fmt.Errorf("reading settings: %w", err)
}

// readSecretFiles fills each secret that is given as a file; giving both the value and the file is refused.
func readSecretFiles(settings []Setting) error {
	var errs []error
	for _, s := range settings {
		if !s.Secret {
			continue
		}
		name, path := secretFile(s)
		if path == "" {
			continue
		}
		if s.field.String() != "" {
			errs = append(errs, fmt.Errorf("setting %s: both the value and %s are set; keep one", s.Name(), name))
			continue
		}
		raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if err != nil {
			errs = append(errs, fmt.Errorf("setting %s: %w", name, err))
			continue
		}
		s.field.SetString(strings.TrimSpace(string(raw)))
	}
	return errors.Join(errs...)
}

// secretFile returns the variable and the path that hold the secret's file, if either form of the name is set.
func secretFile(s Setting) (name, path string) {
	for _, key := range []string{s.Key, s.Alt} {
		if key == "" {
			continue
		}
		if path := os.Getenv(key + "_FILE"); path != "" {
			return key + "_FILE", path
		}
	}
	return "", ""
}

// injected matches what Kubernetes puts into every container beside a Service called like our prefix.
var injected = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$`)

// checkUnknown reports every variable with our prefix that is no setting.
func checkUnknown(prefix string, settings []Setting, environ []string) error {
	if prefix == "" {
		return nil
	}
	known := map[string]bool{}
	var names []string
	for _, s := range settings {
		known[s.Key] = true
		names = append(names, s.Key)
		if s.Secret {
			known[s.Key+"_FILE"] = true
		}
	}
	var errs []error
	for _, pair := range environ {
		key, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(key, strings.ToUpper(prefix)+"_") || known[key] || injected.MatchString(key) {
			continue
		}
		errs = append(errs, fmt.Errorf("unknown setting %s: did you mean %s?", key, nearest(key, names)))
	}
	return errors.Join(errs...)
}

// nearest returns the name with the smallest edit distance to key.
func nearest(key string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return distance(key, a) - distance(key, b) })
}

// distance is the Levenshtein distance of two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
