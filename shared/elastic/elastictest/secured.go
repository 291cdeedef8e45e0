package elastictest

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// Account is a user of the file realm with a role of its own.
type Account struct {
	Name     string
	Password string
	// Role is the role's definition as one line of JSON, as in {"cluster":["monitor"]}.
	Role string
}

// StartSecured starts a node of the test's own with TLS and users, and stops it when the test ends. The cluster's
// Username is a superuser; accounts are further users. It skips or fails as Start does.
func StartSecured(t testing.TB, accounts ...Account) *Cluster {
	t.Helper()
	dir := t.TempDir()
	authority, err := newCertificates()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Username: "admin", Password: rand.Text(), CAFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(c.CAFile, authority.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := realmFiles(c.Username, c.Password, accounts)
	if err != nil {
		t.Fatal(err)
	}
	files["http.crt"], files["http.key"] = authority.certificate, authority.key
	n := ensure(t, node.Options{
		Dir:  filepath.Join(dir, "state"),
		Heap: "512m",
		Settings: map[string]string{
			"xpack.security.enabled":                      "true",
			"xpack.security.autoconfiguration.enabled":    "false",
			"xpack.security.authc.realms.file.file.order": "0",
			"xpack.security.http.ssl.enabled":             "true",
			"xpack.security.http.ssl.certificate":         "http.crt",
			"xpack.security.http.ssl.key":                 "http.key",
		},
		Files:    files,
		Username: c.Username, Password: c.Password, CAFile: c.CAFile,
	})
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c.URL = n.URL()
	return c
}

// realmFiles are the files of the file realm: users, who has which role, and what the roles may do.
func realmFiles(admin, password string, accounts []Account) (map[string][]byte, error) {
	hash, err := hashed(password)
	if err != nil {
		return nil, err
	}
	users, members, roles := admin+":"+hash+"\n", "superuser:"+admin+"\n", ""
	for _, account := range accounts {
		if hash, err = hashed(account.Password); err != nil {
			return nil, err
		}
		users += account.Name + ":" + hash + "\n"
		members += account.Name + "_role:" + account.Name + "\n"
		roles += account.Name + "_role: " + strings.ReplaceAll(account.Role, "\n", " ") + "\n"
	}
	return map[string][]byte{"users": []byte(users), "users_roles": []byte(members), "roles.yml": []byte(roles)}, nil
}

// hashed renders a password in the way Elasticsearch reads: the algorithm, its cost, the salt and the key.
func hashed(password string) (string, error) {
	const cost, size = 1000, 32 // the lowest cost it takes: these passwords live as long as a test
	salt := make([]byte, size)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	key, err := pbkdf2.Key(sha512.New, password, salt, cost, size)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return fmt.Sprintf("{PBKDF2}%d$%s$%s", cost,
		base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key)), nil
}
