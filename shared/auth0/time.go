package auth0

import "time"

// ParseTime reads a time as Auth0 writes it: RFC 3339, with or without fractions of a second.
func ParseTime(s string) (time.Time, bool) {
	if t, ok := parseExact(s); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// parseExact reads the form that nearly every event has, 2006-01-02T15:04:05.000Z, in a fraction of the time that the
// standard library takes for any form.
func parseExact(s string) (time.Time, bool) {
	const form = "0000-00-00T00:00:00.000Z"
	if len(s) != len(form) {
		return time.Time{}, false
	}
	var digits [17]byte
	n := 0
	for i := range len(form) {
		digit := s[i] >= '0' && s[i] <= '9'
		if digit != (form[i] == '0') || !digit && s[i] != form[i] {
			return time.Time{}, false
		}
		if digit {
			digits[n] = s[i]
			n++
		}
	}
	return date(string(digits[:]))
}

// date makes a time of decimal digits, 20060102150405 with or without milliseconds; ok is false when there is no such
// moment.
func date(s string) (t time.Time, ok bool) {
	year, month, day := number(s[:4]), number(s[4:6]), number(s[6:8])
	hour, minute, second := number(s[8:10]), number(s[10:12]), number(s[12:14])
	if year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, number(s[14:])*int(time.Millisecond), time.UTC)
	return t, t.Day() == day // the standard library would make 1 March of 30 February
}

func number(digits string) (n int) {
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// logIDLength is the length of every log_id of Auth0's present form.
const logIDLength = 56

// LogIDTime reads the time at which Auth0 received the event from digits 4 to 17 of a log_id of 56 digits; ok is false
// for ids of another form.
func LogIDTime(id string) (t time.Time, ok bool) {
	if len(id) != logIDLength {
		return time.Time{}, false
	}
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return time.Time{}, false
		}
	}
	return date(id[3:17])
}
