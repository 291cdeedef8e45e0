package auth0_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
)

// near returns a text that is a time, or nearly one.
func near(dice *rand.Rand) string {
	text := []byte(fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", dice.IntN(2200), dice.IntN(14), dice.IntN(33), dice.IntN(25), dice.IntN(61), dice.IntN(61), dice.IntN(1000)))
	if dice.IntN(4) == 0 {
		text[dice.IntN(len(text))] = "0123456789-:TZ. +"[dice.IntN(17)]
	}
	return string(text)
}

func TestTimesAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	const seed = 20
	dice := rand.New(rand.NewPCG(seed, 1))
	read := 0
	for range 200_000 {
		text := near(dice)
		want, err := time.Parse(time.RFC3339, text)
		good := err == nil && want.Year() >= 1 && want.Year() <= 9999
		got, ok := auth0.ParseTime(text)
		if ok != good || ok && !got.Equal(want) {
			t.Fatalf("seed %d: %s is %v, %v; the standard library says %v, %v", seed, text, got, ok, want, err)
		}
		if ok {
			read++
		}
	}
	if read < 50_000 {
		t.Errorf("only %d texts were times", read)
	}
}

func TestALogIDWithoutAMomentHasNoTime(t *testing.T) {
	const tail = "123456789012345678901234567890123456789"
	for digits, want := range map[string]bool{
		"20260228235959": true, "20260229000000": false, "20240229000000": true, "20261301000000": false, "20260100000000": false,
		"20260101240000": false, "20260101006000": false, "20260101000060": false, "00000101000000": false,
	} {
		at, ok := auth0.LogIDTime("900" + digits + tail)
		if ok != want || ok && at.Format("20060102150405") != digits {
			t.Errorf("%s: %v, %v", digits, at, ok)
		}
	}
}
