package node

import (
	"fmt"
	"slices"
)

// Every process of a node carries one of these arguments, followed by the record's random name: the launcher (and the
// shell that becomes it) the first, the server the second.
const (
	markArgument    = "-Enode.name="
	clusterProperty = "-Dsluice.cluster="
)

// processesOf returns the ids of the living processes of a cluster, the server (if there is one) as the last.
func processesOf(cluster string) ([]int, error) {
	var launchers, servers []int
	err := eachProcess(func(pid int, args []string) {
		switch {
		case slices.Contains(args, clusterProperty+cluster):
			servers = append(servers, pid)
		case slices.Contains(args, markArgument+cluster):
			launchers = append(launchers, pid)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	return append(launchers, servers...), nil
}
