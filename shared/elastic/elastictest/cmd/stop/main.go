// Command stop ends the Elasticsearch that the tests share, if it runs.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stopped, err := elastictest.Stop(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stop:", err)
		os.Exit(1) //nolint:gocritic // nothing is lost by leaving the context
	}
	if stopped {
		fmt.Fprintln(os.Stderr, "stopped the Elasticsearch that the tests share")
	}
}
