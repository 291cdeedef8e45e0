package cli

import (
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far a long command is. Without a terminal it shows nothing.
type progress struct {
	bar *progressbar.ProgressBar
}

// newProgress starts a bar of total steps on standard error; a negative total shows a count only. It never uses colours,
// so NO_COLOR has nothing to turn off.
func (a *App) newProgress(total int, what string, hidden bool) *progress {
	screen, ok := a.Err.(*os.File)
	if hidden || !ok || !isatty.IsTerminal(screen.Fd()) && !isatty.IsCygwinTerminal(screen.Fd()) {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(screen), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(30), progressbar.OptionUseANSICodes(false),
	)}
}

// add counts n further steps. More than the total is no error: repeats count, too.
func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

// describe replaces the text before the bar.
func (p *progress) describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// done takes the bar off the screen.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
}
