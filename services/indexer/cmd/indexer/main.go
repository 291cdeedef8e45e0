// Command indexer writes documents to Elasticsearch.
package main

import (
	"os"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/program"
)

func main() { os.Exit(program.Main(indexer.Program())) }
