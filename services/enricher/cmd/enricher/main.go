// Command enricher turns deliveries into documents.
package main

import (
	"os"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/program"
)

func main() { os.Exit(program.Main(enricher.Program())) }
