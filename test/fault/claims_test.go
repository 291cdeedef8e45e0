package fault_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// claims are what an event and its document both say. They are read from the very bytes, so that Sluice's own reader
// proves nothing about itself.
type claims struct {
	code string
	at   int64 // milliseconds since 1970; 0: no readable time
}

func (c claims) whole() bool { return c.code != "" && c.at != 0 }

func (c claims) String() string {
	return fmt.Sprintf("%q of %s", c.code, time.UnixMilli(c.at).UTC().Format(time.RFC3339Nano))
}

func eventClaims(event []byte) claims {
	return claimed(event, []string{"data", "type"}, []string{"data", "date"})
}

func documentClaims(source []byte) claims {
	return claimed(source, []string{"event", "code"}, []string{"@timestamp"})
}

func claimed(raw []byte, code, date []string) claims {
	all := tree(raw)
	c := claims{code: textAt(all, code...)}
	if at, err := time.Parse(time.RFC3339, textAt(all, date...)); err == nil {
		c.at = at.UnixMilli()
	}
	return c
}

// tree is nil for what is no JSON.
func tree(raw []byte) (all any) {
	_ = json.Unmarshal(raw, &all)
	return all
}

// textAt is the text that a path of names leads to; empty when there is none.
func textAt(all any, path ...string) string {
	for _, name := range path {
		inner, _ := all.(map[string]any)
		all = inner[name]
	}
	text, _ := all.(string)
	return text
}

// mailbox is what user.email will be of an event: its user's name when that is an address, else the address of who
// used the Management API, where the event names nobody else.
func mailbox(event []byte) string {
	all := tree(event)
	if name := textAt(all, "data", "user_name"); name != "" {
		if at := strings.LastIndexByte(name, '@'); at < 1 || at == len(name)-1 {
			return ""
		}
		return name
	}
	actor := []string{"data", "details", "request", "auth", "user"}
	if id := textAt(all, "data", "user_id"); id != "" && id != textAt(all, append(actor, "user_id")...) {
		return ""
	}
	return textAt(all, append(actor, "email")...)
}

// noNumber reports whether an event's user.email is there and cannot be indexed as a number.
func noNumber(event []byte) bool {
	text := mailbox(event)
	if text == "" {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err != nil
}
