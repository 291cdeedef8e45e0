package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"text/tabwriter"
)

// Settings lists the variables of spec, a pointer to a struct of exported fields with `default` and `desc` tags.
// Embedded structs are flattened. A field with an `envconfig` tag is a common setting, also read without the service's
// prefix; one with `split_words:"true"` is the service's own, named after the field. Others are no settings.
func Settings(prefix string, spec any) ([]Setting, error) {
	v := reflect.ValueOf(spec)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, errors.New("settings must be a pointer to a struct")
	}
	return collect(strings.ToUpper(prefix), v.Elem()), nil
}

func collect(prefix string, v reflect.Value) []Setting {
	var out []Setting
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			out = append(out, collect(prefix, v.Field(i))...)
			continue
		}
		alt, name := field.Tag.Get("envconfig"), splitWords(field.Name)
		if field.Tag.Get("ignored") == "true" || alt == "" && field.Tag.Get("split_words") != "true" {
			continue
		}
		if alt != "" {
			name = alt
		}
		s := Setting{
			Key: name, Alt: alt, Default: field.Tag.Get("default"), Help: field.Tag.Get("desc"),
			Secret: field.Type == reflect.TypeFor[Secret](), field: v.Field(i),
		}
		if prefix != "" {
			s.Key = prefix + "_" + name
		}
		out = append(out, s)
	}
	return out
}

var (
	words   = regexp.MustCompile(`([^A-Z]+|[A-Z]+[^A-Z]+|[A-Z]+)`)
	acronym = regexp.MustCompile(`([A-Z]+)([A-Z][^A-Z]+)`)
)

// splitWords names a field as envconfig's split_words does: MaxBody is MAX_BODY, TLSCert is TLS_CERT.
func splitWords(field string) string {
	var out []string
	for _, word := range words.FindAllString(field, -1) {
		if m := acronym.FindStringSubmatch(word); len(m) == 3 {
			out = append(out, m[1], m[2])
		} else {
			out = append(out, word)
		}
	}
	return strings.ToUpper(strings.Join(out, "_"))
}

// Usage writes the table of settings for -help.
func Usage(w io.Writer, prefix string, spec any) error {
	settings, err := Settings(prefix, spec)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "VARIABLE\tDEFAULT\tMEANING")
	for _, s := range settings {
		name := s.Name()
		if s.Secret {
			name += " (or " + name + "_FILE)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", name, s.Default, s.Help)
	}
	return tw.Flush()
}

// Effective writes the values in force, secrets masked.
func Effective(w io.Writer, prefix string, spec any) error {
	settings, err := Settings(prefix, spec)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if _, err := fmt.Fprintf(w, "%s=%s\n", s.Name(), s.Value()); err != nil {
			return err
		}
	}
	return nil
}

// Markdown writes the settings as a table for a README.
func Markdown(w io.Writer, prefix string, spec any) error {
	settings, err := Settings(prefix, spec)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		name := "`" + s.Name() + "`"
		if s.Secret {
			name += " (or `" + s.Name() + "_FILE`)"
		}
		def := s.Default
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, def, s.Help)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
