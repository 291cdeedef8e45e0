package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// urlPatience is how long a receiver or proxy that is just starting may refuse connections.
const urlPatience = 10 * time.Second

// checkURL asks the Payload URL without a token; a receiver of ours answers that only POST is allowed.
func (v *verifier) checkURL(ctx context.Context) (string, error) {
	if !v.at.known {
		return v.at.Hint, errSkipped
	}
	limited, cancel := context.WithTimeout(ctx, urlPatience)
	defer cancel()
	var got reply
	var last error
	reached, _ := poll(limited, func() (bool, error) {
		one, err := v.request(limited, http.MethodGet, "", nil)
		if err == nil {
			got = one
		} else if last == nil || limited.Err() == nil {
			last = err
		}
		return err == nil, nil
	})
	if !reached {
		return "", fmt.Errorf("nothing answers at %s: %w", v.at.URL, last)
	}
	return got.judge(v.at.URL)
}

// reply is an answer on the public listener.
type reply struct {
	status   int
	location string
	name     string // the receiver's word for its answer; empty when it is not a receiver's
	delivery string
}

// errNoAnswer stands for a request that was never answered.
var errNoAnswer = errors.New("no answer came in time")

// request sends one request with an Authorization header, if any, and reads the answer. Redirects are not followed,
// because Auth0's POST would not survive one.
func (v *verifier) request(ctx context.Context, method, token string, body io.Reader) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.at.URL, body)
	if err != nil {
		return reply{}, fmt.Errorf("preparing a request: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, cause(err)
	}
	defer func() { _ = res.Body.Close() }()
	out := reply{status: res.StatusCode, location: res.Header.Get("Location")}
	var say struct {
		Status   string `json:"status"`
		Delivery string `json:"delivery"`
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && json.Unmarshal(raw, &say) == nil {
		out.name, out.delivery = say.Status, say.Delivery
	}
	return out, nil
}

// cause takes method and address off a client's error; the message around it names them already.
func cause(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		if outer.Timeout() {
			return errNoAnswer
		}
		return outer.Err
	}
	return err
}

// judge says what the answer to a request without a token means.
func (r reply) judge(at string) (string, error) {
	switch {
	case r.name != "" && (r.status == http.StatusMethodNotAllowed || r.status == http.StatusUnauthorized):
		return "a receiver answers at " + at, nil
	case r.status >= 300 && r.status < 400:
		return "", fmt.Errorf("%s redirects to %s: Auth0 needs the address that answers itself", at, r.location)
	case r.status == http.StatusBadGateway || r.status == http.StatusServiceUnavailable || r.status == http.StatusGatewayTimeout:
		return "", fmt.Errorf("%s answers %d: a proxy is there, but the receiver behind it is not reachable or not ready", at, r.status)
	case r.status == http.StatusNotFound:
		return "", fmt.Errorf("%s answers 404: no receiver is there, or a proxy changes the path on the way to it", at)
	}
	return "", fmt.Errorf("%s answers %d: this is not Sluice's receiver", at, r.status)
}
