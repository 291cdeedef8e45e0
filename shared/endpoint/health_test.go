package endpoint_test

import (
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// monday is a Monday, midnight UTC.
var monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// live plays time to an endpoint: every five minutes somebody looks, and a delivery comes when delivers says so.
func live(u *endpoint.Usual, last, from, to time.Time, delivers func(time.Time) bool) time.Time {
	for at := from; at.Before(to); at = at.Add(endpoint.Slot) {
		if delivers(at) {
			last = at.Add(time.Minute)
		}
		u.Learn(last, at.Add(endpoint.Slot+time.Second))
	}
	return last
}

func always(time.Time) bool { return true }

// office is when people work: Monday to Friday, 8 to 18 o'clock.
func office(at time.Time) bool {
	return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday && at.Hour() >= 8 && at.Hour() < 18
}

// judge is what is said of an endpoint with this traffic at a moment.
func judge(u *endpoint.Usual, last, now time.Time) endpoint.Health {
	return endpoint.Judge(&endpoint.Endpoint{ID: "e"}, endpoint.Sight{Usual: *u, Status: endpoint.Status{LastDelivery: last}}, now)
}

func TestABusyEndpointIsSilentAfterLessThanHalfAnHour(t *testing.T) {
	var u endpoint.Usual
	last := live(&u, time.Time{}, monday, monday.Add(14*24*time.Hour), always)
	if h := judge(&u, last, last.Add(14*time.Minute)); h.State != endpoint.Active || h.Usual > endpoint.Slot {
		t.Errorf("after 14 minutes: %+v", h)
	}
	h := judge(&u, last, last.Add(30*time.Minute))
	if h.State != endpoint.Silent || !h.Since.Equal(last) || !h.StopsAt.Equal(last.Add(7*24*time.Hour)) {
		t.Errorf("after half an hour: %+v", h)
	}
	if want := last.Add(-time.Hour); h.Cursor.After(want) || want.Sub(h.Cursor) >= time.Minute {
		t.Errorf("starting cursor %s, last delivery %s", h.Cursor, last)
	}
}

func TestNightAndWeekendAreNoSilenceOnceTheyAreKnown(t *testing.T) {
	var u endpoint.Usual
	end := monday.Add(21 * 24 * time.Hour)
	last := live(&u, time.Time{}, monday, end, office)
	for now := last; now.Before(end.Add(8 * time.Hour)); now = now.Add(10 * time.Minute) { // from Friday evening to Monday morning
		if h := judge(&u, last, now); h.State != endpoint.Active {
			t.Fatalf("%s at %s, last delivery %s", h.State, now, last)
		}
	}
	if h := judge(&u, last, end.Add(9*time.Hour)); h.State != endpoint.Silent {
		t.Errorf("nobody came on Monday morning, and that is %s", h.State)
	}
}

func TestTheFirstNightOfABusyEndpointIsNoSilence(t *testing.T) {
	var u endpoint.Usual
	last := live(&u, time.Time{}, monday.Add(8*time.Hour), monday.Add(18*time.Hour), always)
	if h := judge(&u, last, monday.Add(27*time.Hour)); h.State != endpoint.Active {
		t.Errorf("after nine hours of the first night: %+v", h)
	}
	if h := judge(&u, last, monday.Add(3*24*time.Hour)); h.State != endpoint.Silent {
		t.Errorf("after three days: %+v", h)
	}
}

func TestARareEndpointMayBeQuietForHours(t *testing.T) {
	var u endpoint.Usual
	rare := func(at time.Time) bool { return at.Minute() < 5 && at.Hour()%2 == 0 } // one slot in 24
	last := live(&u, time.Time{}, monday, monday.Add(14*24*time.Hour), rare)
	if h := judge(&u, last, last.Add(8*time.Hour)); h.State != endpoint.Active {
		t.Errorf("after eight hours: %+v", h)
	}
	if h := judge(&u, last, last.Add(36*time.Hour)); h.State != endpoint.Silent {
		t.Errorf("after a day and a half: %+v", h)
	}
}

func TestSilenceIsLearntOnlyWhenItIsOver(t *testing.T) {
	var u endpoint.Usual
	quiet := monday.Add(14 * 24 * time.Hour)
	last := live(&u, time.Time{}, monday, quiet, always)
	again := quiet.Add(60 * 24 * time.Hour)
	live(&u, last, quiet, again, func(time.Time) bool { return false })
	if h := judge(&u, last, again); h.State != endpoint.Silent {
		t.Errorf("after two months without a delivery: %+v", h)
	}
	last = live(&u, last, again, again.Add(endpoint.Slot), always)
	if h := judge(&u, last, last.Add(time.Hour)); h.State != endpoint.Active {
		t.Errorf("an hour after the only delivery in two months: %+v", h)
	}
}

func TestSlotsThatNobodyWatchedTeachNothing(t *testing.T) {
	var watched, away endpoint.Usual
	last := live(&watched, time.Time{}, monday, monday.Add(7*24*time.Hour), always)
	away = endpoint.Usual{Seen: append([]float64{}, watched.Seen...), Active: append([]float64{}, watched.Active...), Slot: watched.Slot}
	now := monday.Add(7*24*time.Hour + 5*time.Hour) // nobody looked for five hours, and deliveries came all the time
	away.Learn(now.Add(-time.Second), now)
	if h := judge(&away, last, last.Add(30*time.Minute)); h.State != endpoint.Silent {
		t.Errorf("forgot what is usual: %+v", h)
	}
}

func TestRefusalsAreAFailureUntilADeliveryIsAccepted(t *testing.T) {
	var s endpoint.Status
	refuse := func(minute int, reason string) {
		s.AddRefusal(endpoint.Refusal{Time: monday.Add(time.Duration(minute) * time.Minute), Reason: reason})
	}
	for minute := range 30 {
		refuse(10+minute, "unauthorized")
	}
	refuse(25, "busy")
	h := endpoint.Judge(&endpoint.Endpoint{ID: "e"}, endpoint.Sight{Status: s}, monday.Add(time.Hour))
	if h.State != endpoint.Failing || !h.Since.Equal(monday.Add(10*time.Minute)) || len(h.Failures) != 2 {
		t.Fatalf("%+v", h)
	}
	if f := h.Failures[0]; f.Reason != "unauthorized" || f.Count != 30 || !f.Last.Equal(monday.Add(39*time.Minute)) {
		t.Errorf("%+v", f)
	}
	if want := monday.Add(7*24*time.Hour + 10*time.Minute); !h.StopsAt.Equal(want) {
		t.Errorf("Auth0 stops at %s, want %s", h.StopsAt, want)
	}
	s.LastDelivery = monday.Add(2 * time.Hour)
	if h := endpoint.Judge(&endpoint.Endpoint{ID: "e"}, endpoint.Sight{Status: s}, monday.Add(3*time.Hour)); h.State != endpoint.Active || len(h.Failures) > 0 {
		t.Errorf("a delivery was accepted: %+v", h)
	}
	refuse(180, "unauthorized")
	if f := s.Failures(); len(f) != 1 || f[0].Count != 1 || !f[0].Since.Equal(monday.Add(3*time.Hour)) {
		t.Errorf("a new run: %+v", f)
	}
}

func TestADeliveryThatOneReceiverAcceptedEndsTheFailuresThatAnotherSaw(t *testing.T) {
	board, err := endpoint.OpenBoard(t.Context(), streamtest.Start(t).Open(t, "default"))
	if err != nil {
		t.Fatal(err)
	}
	var one endpoint.Status
	one.AddRefusal(endpoint.Refusal{Time: monday, Reason: "stream_full"})
	one.AddRefusal(endpoint.Refusal{Time: monday.Add(time.Hour), Reason: "stream_full"})
	write := func(instance string, s endpoint.Status) {
		if err := board.Write(t.Context(), "e", instance, s); err != nil {
			t.Fatal(err)
		}
	}
	failures := func() []endpoint.Failure {
		all, err := board.ReadAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := all["e"].Status
		return s.Failures()
	}
	write("r1", one)
	write("r2", endpoint.Status{LastDelivery: monday.Add(30 * time.Minute)})
	if f := failures(); len(f) != 1 || !f[0].Since.Equal(monday.Add(30*time.Minute)) {
		t.Errorf("refused since another receiver's delivery: %+v", f)
	}
	write("r2", endpoint.Status{LastDelivery: monday.Add(2 * time.Hour)})
	if f := failures(); len(f) != 0 {
		t.Errorf("accepted since: %+v", f)
	}
	if err := board.WriteUsual(t.Context(), "e", &endpoint.Usual{Slot: monday}); err != nil {
		t.Fatal(err)
	}
	if err := board.WriteMisses(t.Context(), "r1", endpoint.Misses{}); err != nil { // of no endpoint
		t.Fatal(err)
	}
	s, err := board.Read(t.Context(), "e")
	if err != nil || !s.LastDelivery.Equal(monday.Add(2*time.Hour)) {
		t.Errorf("the usual traffic beside it: %+v, %v", s, err)
	}
	if all, err := board.ReadAll(t.Context()); err != nil || len(all) != 1 || !all["e"].Usual.Slot.Equal(monday) {
		t.Errorf("%+v, %v", all, err)
	}
}
