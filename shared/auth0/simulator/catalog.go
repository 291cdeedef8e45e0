package simulator

import "slices"

// catalog is every event type that Auth0 has published, weighted as in a tenant
// with ordinary traffic.
func catalog() []kind {
	var all []kind
	for _, group := range [][]kind{
		loginKinds(), silentKinds(), guardKinds(), tokenKinds(), machineTokenKinds(),
		accountKinds(), mailKinds(), factorKinds(), managementKinds(), platformKinds(),
		kinds(exchangeRarities()), kinds(backchannelRarities()), kinds(factorExchangeRarities()), kinds(loginRarities()),
		delegatedKinds(), kinds(accountRarities()), factorRarityKinds(), kinds(upkeepRarities()), kinds(noticeRarities()),
	} {
		all = append(all, group...)
	}
	return all
}

// Codes names every event type a tenant can send, sorted.
func Codes() []string {
	var codes []string
	for _, k := range catalog() {
		codes = append(codes, k.code)
	}
	slices.Sort(codes)
	return codes
}
