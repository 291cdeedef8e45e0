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
	"github.com/sluicelog/sluice/shared/leaktest"
)

// Account is a user of the file realm.
type Account struct {
	Name     string
	Password string
	// Role is the definition of a role of its own as one line of JSON, as in {"cluster":["monitor"]}; empty for none.
	Role string
	// Roles are the names of roles in the file that StartSecuredWith was given.
	Roles []string
}

// StartSecured starts a node of the test's own with TLS and users, and stops it when the test ends. The cluster's
// Username is a superuser; accounts are further users. It skips or fails as Start does.
func StartSecured(tb testing.TB, accounts ...Account) *Cluster {
	tb.Helper()
	return StartSecuredWith(tb, nil, accounts...)
}

// StartSecuredWith is StartSecured with the content of a file roles.yml.
func StartSecuredWith(tb testing.TB, roles []byte, accounts ...Account) *Cluster {
	tb.Helper()
	dir := openDir(tb)
	authority, err := newCertificates()
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{Username: "admin", Password: leaktest.Secret(), CAFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(c.CAFile, authority.ca, 0o600); err != nil {
		tb.Fatal(err)
	}
	files, err := realmFiles(c.Username, c.Password, roles, accounts)
	if err != nil {
		tb.Fatal(err)
	}
	files["http.crt"], files["http.key"] = authority.certificate, authority.key
	files[QuickFile] = []byte(QuickOptions)
	n := ensure(tb, node.Options{
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
	tb.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	c.URL = n.URL()
	return c
}

// openDir is a temporary folder that the server's user can reach when root runs the test: tb.TempDir is closed to others.
func openDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sluice-elastictest-own-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// realmFiles are the files of the file realm: users, who has which role, and what the roles may do.
func realmFiles(admin, password string, roles []byte, accounts []Account) (map[string][]byte, error) {
	hash, err := hashed(password)
	if err != nil {
		return nil, err
	}
	users, own := lines{admin + ":" + hash}, lines{}
	members := map[string][]string{"superuser": {admin}}
	for _, account := range accounts {
		if hash, err = hashed(account.Password); err != nil {
			return nil, err
		}
		users = append(users, account.Name+":"+hash)
		for _, role := range account.Roles {
			members[role] = append(members[role], account.Name)
		}
		if account.Role != "" {
			role := account.Name + "_role"
			members[role] = []string{account.Name}
			own = append(own, role+": "+strings.ReplaceAll(account.Role, "\n", " "))
		}
	}
	var belong lines
	for role, names := range members {
		belong = append(belong, role+":"+strings.Join(names, ","))
	}
	return map[string][]byte{"users": users.file(), "users_roles": belong.file(), "roles.yml": append(own.file(), roles...)}, nil
}

type lines []string

func (l lines) file() []byte { return []byte(strings.Join(l, "\n") + "\n") }

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
