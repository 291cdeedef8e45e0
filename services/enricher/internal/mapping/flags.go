package mapping

// flag is one doubt about a document; several may hold.
type flag uint16

// The flags, in the order of Flags.
const (
	flagTimeFromLogID flag = 1 << iota
	flagTimeFromReceipt
	flagUnknownCode
	flagDetailsCut
	flagMembersAside
	flagPIIMasked
	flagPIIHashed
)

// Flag is one value of sluice.flags.
type Flag struct{ Name, Meaning string }

// Flags lists what sluice.flags may hold.
func Flags() []Flag {
	return []Flag{
		{"time_from_log_id", "data.date tells no time; @timestamp is the time in the log id, when Auth0 received it"},
		{"time_from_receipt", "neither data.date nor the log id tells a time; @timestamp is when Sluice received it"},
		{"unknown_code", "Auth0 has not published the code; the event is indexed without category"},
		{"details_cut", "a part of details cannot be indexed; it is in auth0.logs.odd.details, kept, not searchable"},
		{"members_aside", "a member does not fit its field; it is in auth0.logs.odd, kept, not searchable"},
		{"pii_masked", "personal data is hidden by asterisks; user_name is in auth0.logs.data only, not searchable"},
		{"pii_hashed", "personal data is hidden by hashes; user_name is in auth0.logs.data only, not searchable"},
	}
}

// appendFlags writes the names of flags as an array.
func appendFlags(b []byte, set flag) []byte {
	b = append(b, '[')
	start := len(b)
	for i, f := range flagNames {
		if set&(1<<i) == 0 {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f...), '"')
	}
	return append(b, ']')
}

// flagNames are the names by bit, which Flags explains.
var flagNames = [...]string{
	"time_from_log_id", "time_from_receipt", "unknown_code", "details_cut", "members_aside", "pii_masked", "pii_hashed",
}
