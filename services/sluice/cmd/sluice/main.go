// Command sluice is the operator's binary: everything in one process, each service by itself, and the tools around them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // a second signal ends the process at once
	err := cli.New(os.Stdin, os.Stdout, os.Stderr).Command().ExecuteContext(ctx)
	if err == nil {
		return
	}
	if !errors.Is(err, cli.ErrSilent) {
		fmt.Fprintln(os.Stderr, "sluice:", err)
	}
	os.Exit(cli.ExitCode(err))
}
