package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/stream"
)

// replayOptions are the flags of `sluice deadletter replay`.
type replayOptions struct {
	letterChoice
	dryRun bool
	rate   float64
	wait   time.Duration
}

func (a *App) deadletterReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay [SEQ…]",
		Short: "Send dead letters through again, once the cause is gone, and say what became of each",
		Long: `Send dead letters through again. What the enricher set aside is mapped anew, as a delivery of its own; what the
indexer set aside is written anew as it was. A letter is removed only when its event is searchable or lies in a new
letter; until then it is kept, and can be replayed again. An event is never stored twice. The ledger counts it as
received a second time, with what becomes of it now; that it was a dead letter once stays counted.

Ctrl-C stops it: what was sent by then goes its way, the rest was not touched, and the same command goes on later. The
exit code is 0 when every event is searchable, 1 when some letters are left for any reason, 2 after an error or Ctrl-C.`,
		Example: "  sluice deadletter replay --reason no_log_id --dry-run\n" +
			"  sluice deadletter replay 17 18",
	}
	asked(cmd, func(cmd *cobra.Command, args []string) (bool, error) {
		if o.rate < 0 || o.wait < 0 {
			return false, errors.New("--rate and --wait cannot be negative")
		}
		return a.replayLetters(cmd.Context(), args, o)
	})
	o.register(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be sent and send nothing")
	cmd.Flags().Float64Var(&o.rate, "rate", 0, "letters per second; 0 is as fast as they go")
	cmd.Flags().DurationVar(&o.wait, "wait", 30*time.Second, "how long to wait for what becomes of them")
	return cmd
}

// What became of a replayed letter.
const (
	outcomeWould      = "would be sent"
	outcomeNot        = "not sent"
	outcomeKept       = "kept"
	outcomeWaiting    = "waiting"
	outcomeSearchable = "searchable"
	outcomeDead       = "dead again"
)

// publishTime is how long the stream may take to store a letter.
const publishTime = 10 * time.Second

// replayed is one letter on its way.
type replayed struct {
	Sequence uint64 `json:"sequence"`
	Stage    string `json:"stage"`
	Reason   string `json:"reason"`
	Delivery string `json:"delivery,omitempty"` // the new one, where there is one
	Outcome  string `json:"outcome"`
	Why      string `json:"why,omitempty"`

	letter *deadletter.Letter // without its body
	logID  string
	docID  string
	key    string // of the letter that it would leave again
	stored uint64 // sequence in the stream that it was published to
}

// replay is one run of the command.
type replay struct {
	*Session
	items  []*replayed
	before uint64 // last dead letter that lay there when the run began
}

// replayLetters reports whether nothing is left of what was meant.
func (a *App) replayLetters(ctx context.Context, args []string, o replayOptions) (clean bool, err error) {
	session, err := a.open(ctx)
	if err != nil {
		return false, err
	}
	defer session.Close()
	letters, err := o.pick(ctx, session.Letters, args)
	if err != nil {
		return false, err
	}
	state, err := session.Conn.State(ctx, stream.DeadLetters)
	if err != nil {
		return false, err
	}
	r := &replay{Session: session, items: make([]*replayed, 0, len(letters)), before: state.Last}
	for _, l := range letters {
		r.items = append(r.items, planned(l))
	}
	if o.dryRun {
		return true, a.printReplay(r)
	}
	if err = a.sendLetters(ctx, r, o.rate); err == nil {
		err = r.follow(ctx, o.wait)
	} else {
		r.interrupted()
	}
	return r.clean(), errors.Join(a.printReplay(r), err)
}

// interrupted says of each letter how far it came when the sending ended before its end.
func (r *replay) interrupted() {
	for _, item := range r.items {
		if item.Outcome == outcomeWould {
			item.Outcome, item.Why = outcomeNot, "the replay was stopped before; it is kept, and the same command sends it"
		}
	}
	r.explain(nil)
}

// clean reports whether every letter's event is searchable.
func (r *replay) clean() bool {
	for _, item := range r.items {
		if item.Outcome != outcomeSearchable {
			return false
		}
	}
	return true
}

// planned says whether a letter can be sent again at all.
func planned(l *deadletter.Letter) *replayed {
	item := &replayed{Sequence: l.Sequence, Stage: l.Stage, Reason: l.Reason, Outcome: outcomeWould, letter: l}
	switch {
	case l.Schema > deadletter.Schema:
		item.Outcome, item.Why = outcomeKept, fmt.Sprintf("a later version wrote it (%d, this build reads %d): replay it with that version's sluice", l.Schema, deadletter.Schema)
	case l.Namespace == "":
		item.Outcome, item.Why = outcomeKept, "nobody knows which namespace it belongs to"
	case l.Piece > 0:
		item.Outcome, item.Why = outcomeKept, "it is a piece of an event that is too large to become a document"
	case l.Reason == "bad_compression":
		item.Outcome, item.Why = outcomeKept, "it is a compressed body that cannot be unpacked"
	}
	return item
}

// sendLetters publishes what can be sent, not faster than rate per second.
func (a *App) sendLetters(ctx context.Context, r *replay, rate float64) error {
	bar := a.newProgress(len(r.items), "replaying", a.json)
	defer bar.done()
	var pace <-chan time.Time
	if rate > 0 {
		tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Nanosecond))
		defer tick.Stop()
		pace = tick.C
	}
	for i, item := range r.items {
		if item.Outcome != outcomeWould {
			bar.add(1)
			continue
		}
		if err := r.send(ctx, item); err != nil {
			return fmt.Errorf("replaying dead letter %d (it is kept, those after it were not tried): %w", item.Sequence, err)
		}
		bar.add(1)
		if pace == nil || i == len(r.items)-1 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace:
		}
	}
	return nil
}

// send publishes one letter and keeps it: should the event die again, the new letter may have the very place of this one
// and would not be stored beside it.
func (r *replay) send(ctx context.Context, item *replayed) error {
	l, err := r.Letters.Get(ctx, item.Sequence)
	if errors.Is(err, stream.ErrNotFound) {
		item.Outcome, item.Why = outcomeKept, "it is gone: somebody else replayed or discarded it meanwhile"
		return nil
	}
	if err != nil {
		return err
	}
	out, err := item.outgoing(l)
	if err != nil {
		return err
	}
	// A stop in the middle would leave open whether it was sent; the next letter is where a replay is stopped.
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTime)
	defer cancel()
	receipt, err := r.Conn.Publish(storing, out)
	if err != nil {
		return err
	}
	item.Outcome, item.stored = outcomeWaiting, receipt.Sequence
	return nil
}

// outgoing makes the message that carries a letter's event once more.
func (item *replayed) outgoing(l *deadletter.Letter) (stream.Outgoing, error) {
	if l.Stage == deadletter.StageIndexer {
		item.docID = documentID(l.Body)
		return stream.Outgoing{
			Subject: stream.SubjectDocuments(l.Namespace), Data: l.Body, Bulk: true,
			Header: stream.Header{
				stream.SchemaHeader: strconv.Itoa(stream.DocumentsSchema), "Sluice-Count": "1", "Sluice-Origin": fmt.Sprintf("%s:%d", stream.DeadLetters, l.Sequence),
				"Sluice-Received-At": l.FirstSeen.UTC().Format(time.RFC3339Nano),
				"Sluice-Endpoints":   l.Endpoint + "=1", "Sluice-Replay": "true",
			},
		}, nil
	}
	now := time.Now().UTC()
	item.key = deadletter.KeyOf(l.Endpoint, l.Body)
	item.Delivery, item.logID = ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String(), logID(l.Body)
	header, payload, err := delivery.Encode([]delivery.Delivery{{
		ID: item.Delivery, Endpoint: l.Endpoint, Namespace: l.Namespace, Received: now, Replay: true, Body: l.Body,
	}})
	return stream.Outgoing{Subject: stream.SubjectDeliveries, Header: header, Data: payload, Bulk: true}, err
}

func (a *App) printReplay(r *replay) error {
	return a.print(r.items, func(w io.Writer) {
		if len(r.items) == 0 {
			fmt.Fprintln(w, "There is no such dead letter; nothing was sent.")
			return
		}
		fmt.Fprintln(w, "SEQ\tSTAGE\tREASON\tOUTCOME\tNEW DELIVERY\tWHY")
		count := map[string]int{}
		for _, i := range r.items {
			count[i.Outcome]++
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", i.Sequence, i.Stage, i.Reason, i.Outcome, dash(i.Delivery), excerpt(i.Why))
		}
		fmt.Fprintln(w)
		for _, outcome := range []string{outcomeWould, outcomeSearchable, outcomeDead, outcomeWaiting, outcomeKept, outcomeNot} {
			if count[outcome] > 0 {
				fmt.Fprintf(w, "%d %s\n", count[outcome], outcome)
			}
		}
	})
}
