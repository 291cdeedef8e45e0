// Package lifecycle starts the parts of a program together and stops them one after another.
//
// Its one promise: whatever ends the program (a signal or a part that failed), every part is stopped in the reverse
// order of its adding, each stop is bounded in time, and the first failure is what the caller sees. It knows nothing
// of what the parts do.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// part is one named member of a Group.
type part struct {
	name string
	run  func(ctx context.Context) error
	stop func(ctx context.Context) error
	done chan struct{} // closed when run has returned
}

// Group holds parts that live and end together. The zero value is ready for use; it is not safe for concurrent use.
type Group struct {
	parts []*part
}

// Add appends a part. run blocks until its own stop was called or it fails; its context ends only when the whole
// group has stopped. stop asks it to end and may wait for work in hand until its context ends. Either may be nil.
func (g *Group) Add(name string, run, stop func(ctx context.Context) error) {
	g.parts = append(g.parts, &part{name: name, run: run, stop: stop, done: make(chan struct{})})
}

// Run starts all parts and blocks until ctx ends or one part returns. Then it stops the parts in reverse order and
// waits for each; all stops together may take grace. The result joins the failures, nil after a clean stop.
func (g *Group) Run(ctx context.Context, grace time.Duration) error {
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ended := make(chan error, len(g.parts))
	for _, p := range g.parts {
		g.start(live, p, ended)
	}
	var first error
	select {
	case <-ctx.Done():
	case first = <-ended:
	}
	limit, release := context.WithTimeout(context.WithoutCancel(ctx), grace) // outlives live, which ends during the stops
	defer release()
	return errors.Join(first, g.stop(limit, cancel))
}

// start runs p in the background and reports its end once to the group and once to whoever stops it.
func (g *Group) start(ctx context.Context, p *part, ended chan<- error) {
	if p.run == nil {
		close(p.done)
		return
	}
	go func() {
		err := p.run(ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w", p.name, err)
		}
		ended <- err
		close(p.done)
	}()
}

// stop walks backwards; cancel ends the live context of parts that have no stop of their own.
func (g *Group) stop(limit context.Context, cancel context.CancelFunc) error {
	var errs []error
	for _, p := range slices.Backward(g.parts) {
		if p.stop != nil {
			if err := p.stop(limit); err != nil {
				errs = append(errs, fmt.Errorf("stopping %s: %w", p.name, err))
			}
		} else if p.run != nil {
			cancel()
		}
		select {
		case <-p.done:
			continue
		default: // a part that is done counts as done, however late it is
		}
		select {
		case <-p.done:
		case <-limit.Done():
			errs = append(errs, fmt.Errorf("stopping %s: not done within its time", p.name))
		}
	}
	return errors.Join(errs...)
}

// UnlessStopped forgets why something failed when it failed because ctx had ended: a stop during the start is a clean one.
func UnlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the stop is what was wanted
	}
	return err
}
