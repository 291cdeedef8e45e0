package cli

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/delivery"
)

func TestEveryShapeOfABodyIsNamed(t *testing.T) {
	const event = `{"log_id":"1","data":{"tenant_name":"acme"}}`
	for body, want := range map[string]string{
		event + "\n" + event:                 "JSON Lines",
		event:                                "JSON Lines (one event)",
		"\xef\xbb\xbf [" + event + "]":       "JSON Array",
		` {"logs": [` + event + "]}":         "JSON Object",
		"\r\n" + event + "\r\n" + event + "": "JSON Lines",
	} {
		elements := 0
		for range auth0.Split([]byte(body)) {
			elements++
		}
		if got := shape([]byte(body), elements); got != want {
			t.Errorf("%q is called %s, not %s", body, got, want)
		}
		var a arrival
		a.read(&part{Delivery: delivery.Delivery{Body: []byte(body)}})
		if a.Events != elements || a.Shape != want || len(a.Tenants) != 1 {
			t.Errorf("%q: %+v", body, a)
		}
	}
}

func TestAnAnswerThatIsNotTheReceiversIsNamed(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusOK: "not Sluice's", http.StatusMovedPermanently: "redirects to https://elsewhere.example", http.StatusNotFound: "no receiver",
		http.StatusBadGateway: "a proxy is there", http.StatusMethodNotAllowed: "not Sluice's",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example")
			w.WriteHeader(status)
		}))
		v := &verifier{at: address{URL: server.URL, known: true}}
		_, err := v.checkURL(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
	}
}

func TestABodyThatAProxyRefusesIsNamed(t *testing.T) {
	server := httptest.NewServer(http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}), 1<<20))
	defer server.Close()
	v := &verifier{at: address{URL: server.URL}, token: "t"}
	if _, err := v.checkBody(context.Background()); err == nil || !strings.Contains(err.Error(), "10 MiB") {
		t.Errorf("%v", err)
	}
}

func TestTheWrongHostOfACertificateIsNamed(t *testing.T) {
	leaf := &x509.Certificate{DNSNames: []string{"other.example"}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{x509.HostnameError{Certificate: leaf, Host: "logs.example.com"}, "another host"},
		{x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, "expired"},
		{x509.UnknownAuthorityError{Cert: &x509.Certificate{RawIssuer: []byte{1}}}, "whole chain"},
		{x509.UnknownAuthorityError{Cert: leaf}, "self-signed"},
	} {
		if got := certificateProblem("logs.example.com", c.err); !strings.Contains(got.Error(), c.want) {
			t.Errorf("%T is called %v", c.err, got)
		}
	}
}
