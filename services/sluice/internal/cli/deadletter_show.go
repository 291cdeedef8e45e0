package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/deadletter"
)

// shownLetter is what `sluice deadletter show` prints with --json: the body as text, or in base64 where it is none.
type shownLetter struct {
	*deadletter.Letter
	Text   string `json:"body,omitempty"`
	Base64 []byte `json:"body_base64,omitempty"`
}

func (a *App) deadletterShowCommand() *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "show SEQ",
		Short: "Show one dead letter whole: why it lies there, and the event",
		Args:  one(aLetter),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showLetter(cmd.Context(), args[0], raw) },
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "write the body alone, byte by byte as it was set aside")
	return cmd
}

func (a *App) showLetter(ctx context.Context, number string, raw bool) error {
	session, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	l, err := oneLetter(ctx, session.Letters, number)
	if err != nil {
		return err
	}
	if raw {
		_, err := a.Out.Write(l.Body)
		return err
	}
	out := shownLetter{Letter: l}
	if utf8.Valid(l.Body) {
		out.Text = string(l.Body)
	} else {
		out.Base64 = l.Body
	}
	if err := a.print(out, func(w io.Writer) { writeLetter(w, l) }); err != nil || a.json {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\n%s\n", pretty(l.Body))
	return err
}

func writeLetter(w io.Writer, l *deadletter.Letter) {
	fmt.Fprintf(w, "Number\t%d\nStage\t%s\nReason\t%s\n", l.Sequence, l.Stage, l.Reason)
	if l.Detail != "" {
		fmt.Fprintf(w, "Detail\t%s\n", l.Detail)
	}
	fmt.Fprintf(w, "First seen\t%s\nAttempts\t%d\n", moment(l.FirstSeen), l.Attempts)
	fmt.Fprintf(w, "Endpoint\t%s\nNamespace\t%s\nDelivery\t%s\nEvent\t%d\n", l.Endpoint, l.Namespace, l.Delivery, l.Item)
	if l.Piece > 0 {
		fmt.Fprintf(w, "Piece\t%d\n", l.Piece)
	}
	if l.Line > 0 {
		fmt.Fprintf(w, "Line\t%d\n", l.Line)
	}
	fmt.Fprintf(w, "Origin\t%s\nBytes\t%d\n", l.Origin, len(l.Body))
}

// pretty indents JSON, also several values one after another; anything else is quoted where a terminal might take it for
// a command.
func pretty(body []byte) string {
	var out bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return string(bytes.TrimSpace(out.Bytes()))
		}
		if err != nil || json.Indent(&out, value, "", "  ") != nil {
			return harmless(body)
		}
		out.WriteByte('\n')
	}
}

// harmless writes text as it is, but for control characters and broken UTF-8.
func harmless(body []byte) string {
	var out bytes.Buffer
	for _, r := range string(body) {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && r != utf8.RuneError && (r < 0x80 || r > 0x9f) {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, "\\x%02x", r)
	}
	return out.String()
}
