package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// playHTTP is the least that a receiver can be: it reads each body and answers 200.
func playHTTP(ctx context.Context, t talk) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := t.out.Encode("http://" + listener.Addr().String() + "/"); err != nil {
		return err
	}
	_, err = t.asked(&struct{}{}) // nothing is asked: it ends when the benchmark does
	err = errors.Join(err, server.Shutdown(ctx))
	if serve := <-ended; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}
