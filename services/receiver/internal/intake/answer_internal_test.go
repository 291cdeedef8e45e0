package intake

import (
	"encoding/json"
	"maps"
	"testing"
)

// Answers are written by hand: each is the JSON that it says, whatever text is given to an answer one day.
func TestEveryAnswerIsJSON(t *testing.T) {
	for _, a := range Answers() {
		want := map[string]any{"status": a.Name, "message": a.Say}
		if a == Accepted {
			want["delivery"], want["bytes"] = "01J", 42.0
		}
		var got map[string]any
		if err := json.Unmarshal(a.body("01J", 42), &got); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", a.Name, got, err)
		}
	}
}
