package cli_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

func TestAMistypedPayloadURLIsShownWithTheEndpointItMeant(t *testing.T) {
	b := newBench(t)
	base := b.startReceiver(t)
	token := endpoint.NewToken()
	made := b.object(t, "endpoint", "create", "--name", "mine", "--public-url", "https://logs.example.com")
	id, _ := made["id"].(string)
	if len(id) < 10 {
		t.Fatalf("made %v", made)
	}
	exchanged := id[:3] + id[4:5] + id[3:4] + id[5:]
	paths := []string{
		"/v1/endpoints/" + id[:len(id)-2], "/v1/endpoints/" + id + "/", "/v1/endpoints/" + strings.ToUpper(id), "/v1/endpoint/" + id,
		"/auth0/v1/endpoints/" + id, "/v1/endpoints/" + exchanged, "/v1/endpoints/nothing-like-it",
	}
	for _, path := range paths {
		if path == "/v1/endpoints/"+id { // two neighbours that are the same
			continue
		}
		await(t, path+" answered 404", func() bool { return postTo(t, base+path, token) == http.StatusNotFound }) // 503 until the receiver has heard of an endpoint
	}
	type shown struct{ Request, Meant, Hint, Address string }
	var all []shown
	for deadline := time.Now().Add(30 * time.Second); len(all) < len(paths)-1; time.Sleep(50 * time.Millisecond) {
		if all = decode[[]shown](t, b.must(t, "endpoint", "unknown", "--json")); time.Now().After(deadline) {
			t.Fatalf("shown: %+v", all)
		}
	}
	for _, one := range all {
		want := id
		if strings.HasSuffix(one.Request, "nothing-like-it") {
			want = ""
		}
		if one.Meant != want || one.Hint == "" || one.Address != "127.0.0.1" {
			t.Errorf("%+v, want it to mean %q", one, want)
		}
	}
	if out := b.must(t, "endpoint", "unknown"); !strings.Contains(out, "did it mean endpoint "+id) || strings.Contains(out, token) {
		t.Errorf("printed:\n%s", out)
	}
	if out, _ := b.run(t, "doctor"); !strings.Contains(out, "sluice endpoint unknown") {
		t.Errorf("the doctor says nothing of it:\n%s", out)
	}
}

// postTo posts an empty object and returns the status.
func postTo(t *testing.T, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
