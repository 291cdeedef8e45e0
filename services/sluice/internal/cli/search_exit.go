package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// failure is an error of a command whose exit code 1 says something else: that nothing was found.
type failure struct{ error }

// Unwrap returns what happened.
func (f failure) Unwrap() error { return f.error }

// ExitCode is the code with which a process ends after err: 0 without one, 1 for most, 2 where 1 is an answer.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[failure](err); ok {
		return 2
	}
	return 1
}

// asked gives a command the exit codes of grep: run says whether it found anything; every error, also one of the command
// line, is a failure.
func asked(cmd *cobra.Command, run func(cmd *cobra.Command, args []string) (found bool, err error)) *cobra.Command {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failure{err} })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		found, err := run(cmd, args)
		switch {
		case cmd.Context().Err() != nil:
			return failure{ErrSilent}
		case err != nil:
			return failure{err}
		case !found:
			return ErrSilent
		}
		return nil
	}
	return cmd
}
