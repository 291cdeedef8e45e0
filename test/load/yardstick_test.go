package load_test

import (
	"encoding/json"
	"strings"
	"time"
)

// yardstick is how long a fixed piece of work takes, in nanoseconds: the standard library's look at 1.5 KB of JSON, by one
// thread, the best of five tries.
func yardstick() float64 {
	const tries, times = 5, 1000
	text := []byte(`{"log_id":"1","data":{` + strings.Repeat(`"description":"a text of some length","count":12345,"nested":{"a":[1,2,3],"b":null},`, 18) + `"end":true}}`)
	best := time.Hour
	for range tries {
		begin := time.Now()
		for range times {
			if !json.Valid(text) {
				panic("the yardstick is no JSON")
			}
		}
		best = min(best, time.Since(begin))
	}
	return float64(best.Nanoseconds()) / times
}
