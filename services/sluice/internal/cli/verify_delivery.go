package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// look reads what the receivers saw.
func (v *verifier) look(ctx context.Context) error {
	status, err := v.session.Board.Read(ctx, v.endpoint.ID)
	if err == nil {
		v.status = status
	}
	return err
}

// checkToken waits for a request that carried a live token.
func (v *verifier) checkToken(ctx context.Context) (string, error) {
	if liveTokens(v.endpoint, time.Now()) == 0 {
		return "", fmt.Errorf("endpoint %s accepts no token any more: `sluice endpoint create` makes a new endpoint", v.endpoint.ID)
	}
	var used time.Time
	var told time.Time
	seen, err := poll(ctx, func() (bool, error) {
		err := v.look(ctx)
		used = lastUse(v.endpoint, v.status)
		if refused := lastRefusal(v.status); used.IsZero() && refused.Time.After(told) {
			told = refused.Time
			v.screen.tell(refusalError(refused).Error() + "; waiting for another one")
		}
		return !used.IsZero(), err
	})
	refused := lastRefusal(v.status)
	switch {
	case err != nil:
		return "", err
	case seen && refused.Time.After(used):
		return fmt.Sprintf("a live token was used %s ago; yet %s", age(used, time.Now()), refusalError(refused)), nil
	case seen:
		return fmt.Sprintf("a live token was used %s ago", age(used, time.Now())), nil
	case !refused.Time.IsZero():
		return "", refusalError(refused)
	}
	return "no request came yet, neither with a right token nor with a wrong one" + v.astray(ctx), errSkipped
}

// astray says that deliveries came to addresses where there is no endpoint; empty when none did lately.
func (v *verifier) astray(ctx context.Context) string {
	misses, err := v.session.Board.Misses(ctx)
	if err != nil || len(recent(misses, time.Now())) == 0 {
		return ""
	}
	return "; but deliveries came to paths where there is no endpoint: `sluice endpoint unknown` shows them"
}

// lastUse is when a token that is still live was last used.
func lastUse(e *endpoint.Endpoint, status endpoint.Status) (last time.Time) {
	for i := range e.Tokens {
		if at := status.TokenUsed[e.Tokens[i].ID]; e.Tokens[i].Live(time.Now()) && at.After(last) {
			last = at
		}
	}
	return last
}

func refusalError(r endpoint.Refusal) error {
	text := fmt.Sprintf("the last request, at %s, was refused: %s", moment(r.Time), r.Reason)
	if r.Hint != "" {
		text += " (" + r.Hint + ")"
	}
	return errors.New(text)
}

// checkDelivery waits for a delivery that holds something; the empty ones of other checks are passed over.
func (v *verifier) checkDelivery(ctx context.Context) (string, error) {
	empty := ""
	found, err := poll(ctx, func() (bool, error) {
		if err := v.look(ctx); err != nil {
			return false, err
		}
		id := v.status.LastDeliveryID
		if id == "" || id == empty {
			return false, nil
		}
		arrived, err := v.fetch(ctx, id)
		if err != nil {
			return false, err
		}
		if arrived.kept && arrived.empty() {
			empty = id
			return false, nil
		}
		v.arrived = arrived
		return true, nil
	})
	if err != nil {
		return "", err
	}
	if !found {
		return "", v.noDelivery(empty)
	}
	v.report.Delivery = &v.arrived.seen
	return fmt.Sprintf("%s, received %s ago", v.arrived.ID, age(v.status.LastDelivery, time.Now())), nil
}

// noDelivery says why nothing came, as far as anybody knows.
func (v *verifier) noDelivery(empty string) error {
	refused := lastRefusal(v.status)
	switch {
	case refused.Time.After(v.status.LastDelivery):
		return refusalError(refused)
	case empty != "":
		return errors.New("no delivery with events yet, only an empty one (a check): do something in the tenant that is logged")
	}
	return errors.New("no delivery yet: do something in the tenant that is logged, and look at the log stream's Health view in Auth0")
}

// checkDurable says whether the delivery lies in the stream, or did and was worked off.
func (v *verifier) checkDurable(context.Context) (string, error) {
	if !v.arrived.kept {
		return "the delivery was on disk, is worked off, and has left the stream", nil
	}
	return counted(v.arrived.bytes, "byte") + " on disk in the stream", nil
}

// checkEvents says what the delivery holds.
func (v *verifier) checkEvents(context.Context) (string, error) {
	d := &v.arrived.seen
	switch {
	case !v.arrived.kept:
		return "the delivery is not in the stream any more; Elasticsearch tells the rest", errSkipped
	case v.arrived.broken != nil:
		return "", fmt.Errorf("delivery %s cannot be read: %w", d.ID, v.arrived.broken)
	case d.Events == 0:
		return "", fmt.Errorf("no Auth0 event is in delivery %s, but %s of something else: `%s` says what", d.ID, counted(d.Broken, "element"), v.hint("delivery show "+d.ID))
	}
	saw := fmt.Sprintf("%s, %s, tenant %s, first log_id %s", counted(d.Events, "event"), d.Shape, d.tenants(), d.FirstLogID)
	if d.Broken > 0 {
		saw += fmt.Sprintf("; besides %s (`%s` says which)", counted(d.Broken, "broken element"), v.hint("delivery show "+d.ID))
	}
	return saw, nil
}
