package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// tokenSource says where a token comes from. There is no flag for the value itself: the shell's history and the list of
// processes would show it.
type tokenSource struct {
	file  string
	stdin bool
}

func (t *tokenSource) register(cmd *cobra.Command, about string) {
	cmd.Flags().StringVar(&t.file, "token-file", "", about+" from this file")
	cmd.Flags().BoolVar(&t.stdin, "token-stdin", false, about+" from standard input")
	cmd.MarkFlagsMutuallyExclusive("token-file", "token-stdin")
	_ = cmd.MarkFlagFilename("token-file")
}

// maxTokenFile bounds what is read for a token, in bytes.
const maxTokenFile = 16 << 10

// adoptToken returns the token that somebody brought along; empty when none was asked for.
func (a *App) adoptToken(from tokenSource) (string, error) {
	var raw []byte
	var err error
	switch {
	case from.stdin:
		raw, err = io.ReadAll(io.LimitReader(a.In, maxTokenFile))
	case from.file != "":
		raw, err = readTokenFile(from.file)
	default:
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := string(bytes.TrimRight(raw, "\r\n"))
	if token == "" {
		return "", errors.New("reading the token: there is none, the input is empty")
	}
	return token, endpoint.CheckToken(token)
}

func readTokenFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxTokenFile))
}
