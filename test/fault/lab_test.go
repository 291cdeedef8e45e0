package fault_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

// lab is what all runs of a process share: an Elasticsearch, the programs, and the keeper.
type lab struct {
	keeper   *keeper
	programs map[string]string // copies: a build beside this one must not change them
	build    string            // hash of the programs
	client   *elastic.Client
	url      string
	admin    account
	writer   account // of the indexers

	tuning  []string // settings of all services
	natsEnv []string // variables of the NATS server

	// Of a node of our own only.
	node    *node.Node
	options node.Options
	top     *testing.T // as long as it lives, so do these
	onDisk  bool       // its data lies on a disk whose power can be cut
	mains   disk       // that disk
	second  *lab       // the same with such a disk, made when it is first needed
}

// account is a user of Elasticsearch, empty where security is off.
type account struct{ name, password string }

// writerRole is what an indexer may do; readerRole is what is left of it when its privileges are taken away.
const (
	writerRole = `{"cluster":["monitor","manage_index_templates"],"indices":[{"names":["logs-auth0.*"],"privileges":["all"]}]}`
	readerRole = `{"cluster":["monitor"],"indices":[{"names":["logs-auth0.*"],"privileges":["read","view_index_metadata"]}]}`
)

// newLab prepares programs and Elasticsearch: one of its own that faults may restart and reconfigure, or the one that
// all tests share.
func newLab(t *testing.T, own bool) *lab {
	t.Helper()
	l := bareLab(t)
	var err error
	if !own {
		l.url = elastictest.Start(t).URL
	} else if err := l.ownNode(t); errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	l.client, err = elastic.Open(elastic.Config{
		ElasticsearchURL: config.URL(l.url), ElasticsearchUsername: l.admin.name, ElasticsearchPassword: config.Secret(l.admin.password),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// bareLab has no Elasticsearch yet.
func bareLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{programs: map[string]string{}, top: t}
	var err error
	if l.keeper, err = newKeeper(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.keeper.end)
	l.copyPrograms(t)
	return l
}

func (l *lab) copyPrograms(t *testing.T) {
	t.Helper()
	dir, sum := harness.Dir(t), sha256.New()
	for _, name := range []string{"sluice", "receiver", "enricher", "indexer"} {
		raw, err := os.ReadFile(harness.Binary(t, name))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = sum.Write(raw)
		l.programs[name] = filepath.Join(dir, name)
		if err := os.WriteFile(l.programs[name], raw, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l.build = hex.EncodeToString(sum.Sum(nil)[:6])
}

func (l *lab) ownNode(t *testing.T) error {
	t.Helper()
	l.admin, l.writer = account{"admin", rand.Text()}, account{"writer", rand.Text()}
	files, err := l.realm(true, writerRole)
	if err != nil {
		return err
	}
	heap, mapped := "768m", map[string]string{}
	if options.outage == 0 {
		files[elastictest.QuickFile] = []byte(elastictest.QuickOptions) // faults end it again and again
	} else { // there, speed matters: two million documents come in one go. The few files of one index may be mapped anywhere
		heap, mapped["node.store.allow_mmap"] = "1g", "true"
	}
	l.options = node.Options{
		Dir: harness.Dir(t), Heap: heap, Files: files, Username: l.admin.name, Password: l.admin.password,
		Settings: map[string]string{
			"xpack.security.enabled":                      "true",
			"xpack.security.autoconfiguration.enabled":    "false",
			"xpack.security.authc.realms.file.file.order": "0",
			"resource.reload.interval.high":               "1s",
			"cluster.info.update.interval":                "10s",
			"thread_pool.write.queue_size":                "4",
		},
	}
	maps.Copy(l.options.Settings, mapped)
	if l.onDisk {
		if err := l.plugInData(t); err != nil {
			return err
		}
	}
	l.keeper.tell("+", "elasticsearch", l.options.Dir)
	if err := l.startNode(t.Context()); err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := l.node.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		l.keeper.tell("-", "elasticsearch", l.options.Dir)
	})
	return nil
}

func (l *lab) startNode(ctx context.Context) error {
	n, err := node.Ensure(ctx, l.options)
	if err != nil && ctx.Err() == nil { // a busy machine may not start one within the time that a start has
		n, err = node.Ensure(ctx, l.options)
	}
	if err != nil {
		return err
	}
	if l.url != "" && n.URL() != l.url {
		return fmt.Errorf("elasticsearch came back at %s, not at %s: another program took its port", n.URL(), l.url)
	}
	l.node, l.url = n, n.URL()
	return nil
}

// realm are the files of the users, with the writer or without, and with the writer's role.
func (l *lab) realm(withWriter bool, role string) (map[string][]byte, error) {
	admin, err := hashed(l.admin.password)
	if err != nil {
		return nil, err
	}
	writer, err := hashed(l.writer.password)
	if err != nil {
		return nil, err
	}
	users, members := l.admin.name+":"+admin+"\n", "superuser:"+l.admin.name+"\nwriting:"+l.writer.name+"\n"
	if withWriter {
		users += l.writer.name + ":" + writer + "\n"
	}
	return map[string][]byte{"users": []byte(users), "users_roles": []byte(members), "roles.yml": []byte("writing: " + role + "\n")}, nil
}

// rewriteRealm changes users and roles of the running node, which reads them again by itself.
func (l *lab) rewriteRealm(withWriter bool, role string) error {
	files, err := l.realm(withWriter, role)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := exchange(filepath.Join(l.options.Dir, "config", name), data); err != nil {
			return err
		}
	}
	return nil
}

// exchange gives a file another content at one blow and keeps its owner: the node looks at it whenever it likes, and half
// a list of users would lock out the rest.
func exchange(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, info.Mode().Perm()); err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(fresh, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return os.Rename(fresh, path)
}

// hashed renders a password as the file realm reads it, at the lowest cost.
func hashed(password string) (string, error) {
	const cost, size = 1000, 32
	salt := make([]byte, size)
	_, _ = rand.Read(salt) // never fails
	key, err := pbkdf2.Key(sha512.New, password, salt, cost, size)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("{PBKDF2}%d$%s$%s", cost, base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key)), nil
}

// call asks Elasticsearch as who.
func (l *lab) call(ctx context.Context, who account, method, path, body string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if who.name != "" {
		req.SetBasicAuth(who.name, who.password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(raw), err
}

// do asks as the administrator and wants a 2xx answer.
func (l *lab) do(ctx context.Context, method, path, body string) (string, error) {
	status, answer, err := l.call(ctx, l.admin, method, path, body)
	if err == nil && status > 299 {
		err = fmt.Errorf("%s %s: %d %.300s", method, path, status, answer)
	}
	return answer, err
}

// remove deletes the indices and the template of a namespace.
func (l *lab) remove(ctx context.Context, namespace string) error {
	answer, err := l.do(ctx, http.MethodGet, "/_cat/indices/logs-auth0.*-"+namespace+"-*?h=index&expand_wildcards=all", "")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(answer) {
		if _, err := l.do(ctx, http.MethodDelete, "/"+name, ""); err != nil {
			return err
		}
	}
	_, _, err = l.call(ctx, l.admin, http.MethodDelete, "/_index_template/sluice-logs-auth0.*-"+namespace, "")
	return err
}
