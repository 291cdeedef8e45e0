package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
)

// counted writes a number with its noun, such as "1 event" or "2 events".
func counted[N ~int | ~int64 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "a") {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// textWidth is how long a line of running text becomes, in characters.
const textWidth = 110

// paragraph writes running text in lines that fit a terminal.
func paragraph(w io.Writer, text string) { fmt.Fprintln(w, folded(text, "", textWidth)) }

// folded breaks text between words into lines of width characters; every line but the first begins with margin, which
// is not counted. A word that is too long, such as an
// address, has a line of its own.
func folded(text, margin string, width int) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case column+1+length > width:
			out.WriteString("\n" + margin)
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += length
	}
	return out.String()
}

// hint is a command that works as it is printed: with the state folder, where that is not the default.
func (a *App) hint(command string) string { return hintFor(a.state, command) }

func hintFor(dir, command string) string {
	if dir == state.Default {
		return programName(os.Args[0]) + " " + command
	}
	if strings.ContainsFunc(dir, func(r rune) bool { return !strings.ContainsRune(shellSafe, r) }) {
		dir = shellQuote(dir)
	}
	return programName(os.Args[0]) + " " + command + " --state " + dir
}

// programName is how the reader called us, where that is not by the search path: then printed commands work as they are.
func programName(called string) string {
	if filepath.Base(called) != "sluice" || strings.ContainsFunc(called, func(r rune) bool { return !strings.ContainsRune(shellSafe, r) }) {
		return "sluice"
	}
	return called
}

// shellSafe are the characters that a shell takes as they are.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"

// group makes a command that only holds others: alone it explains itself, with an unknown word it fails.
func group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("`%s` has no command %q", cmd.CommandPath(), args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		} else {
			text += fmt.Sprintf("; `%s --help` lists them", cmd.CommandPath())
		}
		return usageError(text)
	}
	return cmd
}

// usageError is what a command line lacks.
type usageError string

// Error says it.
func (e usageError) Error() string { return string(e) }

// one takes exactly one argument; what names it and says where it comes from.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError(fmt.Sprintf("`%s` needs %s", cmd.CommandPath(), what))
		case len(args) > 1:
			return usageError(fmt.Sprintf("`%s` takes one at a time, not %d: %s", cmd.CommandPath(), len(args), strings.Join(args, " ")))
		}
		return nil
	}
}

// What the single argument of a command is.
const (
	anEndpoint = "the id of an endpoint; `sluice endpoint list` shows them"
	aDelivery  = "the id of a delivery; the receiver's answer names it"
	aLetter    = "the number of a dead letter; `sluice deadletter list --all` shows them"
	aService   = "a service: receiver, enricher, indexer or retention"
	aBackup    = "the file that `sluice endpoint export` wrote, or - for standard input"
)
