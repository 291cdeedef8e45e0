// Command receiver takes Auth0's deliveries and puts them on disk.
package main

import (
	"os"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/shared/program"
)

func main() { os.Exit(program.Main(receiver.Program())) }
