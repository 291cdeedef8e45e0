package telemetry

import (
	"net/http/pprof" // adds itself to a multiplexer that nobody serves; ours has it when it is asked for
)

// profiles serves where processor time and memory go, for `go tool pprof`, to whoever reaches the admin address. A profile
// holds names of functions and addresses, nothing of an event.
func (t *Telemetry) profiles() {
	t.admin.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	t.admin.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	t.admin.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
