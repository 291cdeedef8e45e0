package simulator

// catalog is every event type the simulator knows, weighted as in a tenant
// with ordinary traffic.
func catalog() []kind {
	var all []kind
	for _, group := range [][]kind{
		loginKinds(), silentKinds(), guardKinds(), tokenKinds(), machineTokenKinds(),
		accountKinds(), mailKinds(), factorKinds(), managementKinds(), platformKinds(),
	} {
		all = append(all, group...)
	}
	return all
}
