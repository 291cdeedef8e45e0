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
		{"time_from_log_id", "data.date is missing or unreadable: @timestamp is the time in the log id, when Auth0 received the event"},
		{"time_from_receipt", "neither data.date nor the log id tells a time: @timestamp is when Sluice received the delivery"},
		{"unknown_code", "Auth0 has not published the event's code: it is indexed without category"},
		{"details_cut", "a part of details is too deep, too wide or of a form that cannot be indexed: that part is in auth0.logs.odd.details, kept and not searchable"},
		{"members_aside", "a member of the event is not of the type that its field takes: it is in auth0.logs.odd, kept and not searchable"},
		{"pii_masked", "the log stream replaces personal data by asterisks: user_name is in auth0.logs.data and in no field people group by"},
		{"pii_hashed", "the log stream replaces personal data by hashes: user_name is in auth0.logs.data and in no field people group by"},
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
