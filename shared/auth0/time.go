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
	for i := range len(form) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (form[i] == '0') || !digit && s[i] != form[i] {
			return time.Time{}, false
		}
	}
	return date(s[:4], s[5:7], s[8:10], s[11:13], s[14:16], s[17:19], s[20:23])
}

// date makes a time of decimal digits; ok is false when there is no such moment.
func date(year, month, day, hour, minute, second, milli string) (t time.Time, ok bool) {
	y, mo, d, h, mi, s := number(year), number(month), number(day), number(hour), number(minute), number(second)
	if y < 1 || mo < 1 || mo > 12 || d < 1 || h > 23 || mi > 59 || s > 59 {
		return time.Time{}, false
	}
	t = time.Date(y, time.Month(mo), d, h, mi, s, number(milli)*int(time.Millisecond), time.UTC)
	return t, t.Day() == d // the standard library would make 1 March of 30 February
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
	return date(id[3:7], id[7:9], id[9:11], id[11:13], id[13:15], id[15:17], "")
}
