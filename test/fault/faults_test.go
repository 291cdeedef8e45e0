package fault_test

import "slices"

// faults is the list of all.
func faults() []*fault {
	return slices.Concat(processFaults(), wayFaults(), elasticFaults(), roomFaults(), senderFaults(), operatorFaults(), powerFaults())
}
