// Command geoip gets GeoIP databases for the enricher: `make geoip` calls it. It is not part of any service.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluicelog/sluice/services/enricher/internal/geo/stock"
)

func main() {
	out := flag.String("out", ".sluice/geoip", "folder for the databases")
	city := flag.Bool("city", false, "get cities, too: 130 MB more, also in the enricher's memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := stock.Get(ctx, stock.Options{Folder: *out, City: *city, Out: os.Stdout})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "geoip:", err)
		os.Exit(1)
	}
}
