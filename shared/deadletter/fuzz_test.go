package deadletter_test

import (
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/stream"
)

// FuzzLetter writes letters of any content: each lies in one place that no wildcard or space can widen, no text of it
// forges a header, and what is read is what was written, but for control characters and the end of long texts.
func FuzzLetter(f *testing.F) {
	f.Add("not_json", "line 3: unexpected x\r\nForged: yes", "ep", "default", "01J", "a.*>b", 1, 2, 3)
	f.Add("", "", "", "", "", "", -1, 0, 0)
	f.Add("x", strings.Repeat("ж", 3000), "e\x00", " n ", "\xff\xfe", "\u2028", 1<<30, -5, 7)
	f.Fuzz(func(t *testing.T, reason, detail, endpoint, namespace, delivery, key string, item, piece, line int) {
		for _, stage := range []string{deadletter.StageEnricher, deadletter.StageIndexer} {
			l := &deadletter.Letter{
				Stage: stage, Reason: reason, Detail: detail, Attempts: item, FirstSeen: time.Unix(int64(line), 0), Endpoint: endpoint, Namespace: namespace,
				Delivery: delivery, Key: key, Item: item, Piece: piece, Line: line, Origin: delivery,
			}
			place, header := deadletter.Written(l)
			parts := strings.Split(strings.TrimPrefix(place, stream.SubjectDeadLetters), ".")
			if !strings.HasPrefix(place, stream.SubjectDeadLetters) || len(parts) != 3 || strings.ContainsAny(place, " *>\r\n\t\x00") || parts[1] == "" {
				t.Fatalf("place %q", place)
			}
			for name, value := range header {
				if strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r == 0x7f }) || !utf8.ValidString(value) || len(value) > 2100 {
					t.Fatalf("header %s is %.200q", name, value)
				}
			}
			once := deadletter.Read(stream.Stored{Header: header})
			_, again := deadletter.Written(once)
			if diff := cmp.Diff(header, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// FuzzStored reads whatever lies in the stream as a letter.
func FuzzStored(f *testing.F) {
	_, header := deadletter.Written(sample(1))
	var names []string
	for name := range header {
		names = append(names, name)
	}
	f.Add("x", 0, []byte("{}"))
	f.Add("-1", 3, []byte(nil))
	f.Add("9999999999999999999999", 5, []byte("\x00"))
	f.Fuzz(func(t *testing.T, value string, which int, body []byte) {
		changed := stream.Header{}
		maps.Copy(changed, header)
		changed[names[uint(which)%uint(len(names))]] = value
		for _, h := range []stream.Header{nil, {}, changed} {
			if l := deadletter.Read(stream.Stored{Header: h, Data: body, Sequence: 7}); string(l.Body) != string(body) || l.Sequence != 7 {
				t.Fatalf("read %+v", l)
			}
		}
	})
}
