// Command retention deletes indices whose whole period is older than their namespace's retention.
package main

import (
	"os"

	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/shared/program"
)

func main() { os.Exit(program.Main(retention.Program())) }
