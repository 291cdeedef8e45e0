// Command leaks looks for secrets in files and folders: `leaks PATH…`. It exits 1 when it finds one, and prints where,
// but not which.
package main

import (
	"fmt"
	"os"

	"github.com/sluicelog/sluice/shared/leaktest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: leaks PATH…")
		os.Exit(2)
	}
	found, files, err := leaktest.Find(os.Args[1:]...)
	for _, leak := range found {
		fmt.Println(leak)
	}
	fmt.Printf("%d files, %d leaks\n", files, len(found))
	if err != nil {
		fmt.Fprintln(os.Stderr, "leaks:", err)
	}
	if err != nil || len(found) > 0 {
		os.Exit(1)
	}
}
