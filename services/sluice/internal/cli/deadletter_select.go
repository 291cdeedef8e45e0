package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/stream"
)

// letterFilter says which letters a command means. Empty fields mean all.
type letterFilter struct {
	reason, stage, endpoint string
	since                   time.Duration
}

func (f *letterFilter) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.reason, "reason", "", "only letters with this reason")
	flags.StringVar(&f.stage, "stage", "", "only letters of this stage: enricher or indexer")
	flags.StringVar(&f.endpoint, "endpoint", "", "only letters of this endpoint")
	flags.DurationVar(&f.since, "since", 0, "only letters first seen within this time, such as 24h")
	stages := []cobra.Completion{deadletter.StageEnricher, deadletter.StageIndexer}
	_ = cmd.RegisterFlagCompletionFunc("stage", cobra.FixedCompletions(stages, cobra.ShellCompDirectiveNoFileComp))
}

func (f *letterFilter) check() error {
	if f.stage != "" && f.stage != deadletter.StageEnricher && f.stage != deadletter.StageIndexer {
		return fmt.Errorf("--stage %q: there are %s and %s", f.stage, deadletter.StageEnricher, deadletter.StageIndexer)
	}
	if f.since < 0 {
		return fmt.Errorf("--since %s: it is a time span that ends now, such as 24h", f.since)
	}
	return nil
}

func (f *letterFilter) match(l *deadletter.Letter, now time.Time) bool {
	return (f.reason == "" || l.Reason == f.reason) && (f.stage == "" || l.Stage == f.stage) &&
		(f.endpoint == "" || l.Endpoint == f.endpoint) && (f.since == 0 || l.FirstSeen.After(now.Add(-f.since)))
}

// each calls use for every letter that is meant, oldest first.
func (f *letterFilter) each(ctx context.Context, box *deadletter.Box, now time.Time, use func(*deadletter.Letter)) error {
	if err := f.check(); err != nil {
		return err
	}
	for l, err := range box.All(ctx) {
		if err != nil {
			return err
		}
		if f.match(l, now) {
			use(l)
		}
	}
	return ctx.Err()
}

// letters returns the letters that are meant, without their bodies: there may be more of those than fits into memory.
func (f *letterFilter) letters(ctx context.Context, box *deadletter.Box, now time.Time) ([]*deadletter.Letter, error) {
	all := []*deadletter.Letter{}
	err := f.each(ctx, box, now, func(l *deadletter.Letter) {
		l.Body = nil
		all = append(all, l)
	})
	return all, err
}

// letterGroup is all letters of a stage with one reason.
type letterGroup struct {
	Stage  string             `json:"stage"`
	Reason string             `json:"reason"`
	Count  int                `json:"count"`
	Oldest time.Time          `json:"oldest"`
	Newest time.Time          `json:"newest"`
	Sample *deadletter.Letter `json:"sample"` // the newest one
}

// groups counts the letters that are meant, the most frequent reason first.
func (f *letterFilter) groups(ctx context.Context, box *deadletter.Box, now time.Time) ([]*letterGroup, error) {
	all := []*letterGroup{}
	known := map[[2]string]*letterGroup{}
	err := f.each(ctx, box, now, func(l *deadletter.Letter) {
		l.Body = nil
		key := [2]string{l.Stage, l.Reason}
		g := known[key]
		if g == nil {
			g = &letterGroup{Stage: l.Stage, Reason: l.Reason, Oldest: l.FirstSeen}
			known[key] = g
			all = append(all, g)
		}
		g.add(l)
	})
	slices.SortStableFunc(all, func(x, y *letterGroup) int { return cmp.Compare(y.Count, x.Count) })
	return all, err
}

func (g *letterGroup) add(l *deadletter.Letter) {
	g.Count++
	g.Sample = l
	if l.FirstSeen.Before(g.Oldest) {
		g.Oldest = l.FirstSeen
	}
	if l.FirstSeen.After(g.Newest) {
		g.Newest = l.FirstSeen
	}
}

// letterChoice is a filter that must be meant: by numbers, by a reason, or by an explicit --all.
type letterChoice struct {
	letterFilter
	all bool
}

func (c *letterChoice) register(cmd *cobra.Command) {
	c.letterFilter.register(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "all letters, or all that the other flags leave")
}

// pick returns the letters that arguments and flags choose, without their bodies.
func (c *letterChoice) pick(ctx context.Context, box *deadletter.Box, args []string) ([]*deadletter.Letter, error) {
	filtered := c.all || c.letterFilter != letterFilter{}
	switch {
	case len(args) > 0 && filtered:
		return nil, errors.New("give either numbers of letters or flags that choose them, not both")
	case len(args) > 0:
		return numbered(ctx, box, args)
	case c.reason == "" && !c.all:
		return nil, errors.New("which letters? Give their numbers (`sluice deadletter list --all` shows them), --reason REASON or --all")
	}
	return c.letters(ctx, box, time.Now())
}

func numbered(ctx context.Context, box *deadletter.Box, args []string) ([]*deadletter.Letter, error) {
	all := []*deadletter.Letter{}
	seen := map[uint64]bool{}
	for _, arg := range args {
		l, err := oneLetter(ctx, box, arg)
		if err != nil {
			return nil, err
		}
		if !seen[l.Sequence] {
			seen[l.Sequence] = true
			l.Body = nil
			all = append(all, l)
		}
	}
	return all, nil
}

// oneLetter reads the letter with the number that somebody typed.
func oneLetter(ctx context.Context, box *deadletter.Box, arg string) (*deadletter.Letter, error) {
	sequence, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || sequence == 0 {
		return nil, fmt.Errorf("dead letter %q: give its number, the SEQ of `sluice deadletter list --all`", arg)
	}
	l, err := box.Get(ctx, sequence)
	if errors.Is(err, stream.ErrNotFound) {
		return nil, fmt.Errorf("there is no dead letter %d (any more): `sluice deadletter list --all` shows them", sequence)
	}
	return l, err
}
