package simulator

import "strconv"

// Invented returns n event codes that Auth0 has never published, always the
// same ones: what a tenant sends on the day on which Auth0 adds a product.
func Invented(n int) []string {
	things := []string{"wallet_link", "voiceprint", "gd_send_pigeon", "orbit_sync", "kiosk_login", "proxy_consent", "sx", "token_mint", "agent_lease", "quorum"}
	endings := []string{"_succeeded", "_failed", "_started"}
	codes := make([]string, 0, max(n, 0))
	for i := range n {
		round := i / len(things)
		code := things[i%len(things)] + endings[(i+round)%len(endings)]
		if round >= len(endings) {
			code += strconv.Itoa(round)
		}
		codes = append(codes, code)
	}
	return codes
}

// inventedKind has the envelope of every event and details of its own.
func inventedKind(code string) kind {
	return kinds([]rarity{{
		code, "Something new happened", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withReferences,
		`"session_id":"$session","novelty":{"id":"nov_$token16","step":$roll9,"opened_at":"$ago90","parts":[{"name":"first","ok":true},{"name":"second","ok":false}]}`, nil,
	}})[0]
}
