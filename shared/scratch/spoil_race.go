//go:build race

package scratch

// spoil overwrites what was given away. Where the race detector runs, as in all tests, who still reads it reads rubbish, and
// is reported for a race.
func spoil(room []byte) {
	room = room[:cap(room)]
	for i := range room {
		room[i] = 0xdb
	}
}
