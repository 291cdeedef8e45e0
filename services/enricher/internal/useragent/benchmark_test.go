package useragent_test

import (
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
)

const (
	short  = "Chrome 107.0.0 / Windows 10.0.0"
	header = "Mozilla/5.0 (Linux; Android 13; SM-G991B Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/119.0.6045.66 Mobile Safari/537.36"
)

func BenchmarkKnown(b *testing.B) {
	for name, text := range map[string]string{"short": short, "header": header} {
		b.Run(name, func(b *testing.B) {
			p, raw := useragent.New(), []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				p.Lookup(raw)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			p := useragent.New()
			b.RunParallel(func(pb *testing.PB) {
				raw := []byte(text)
				for pb.Next() {
					p.Lookup(raw)
				}
			})
		})
	}
}

// BenchmarkNew is the cost of a text that was never seen: each differs in eight digits, as a hostile sender's would.
func BenchmarkNew(b *testing.B) {
	for name, text := range map[string]string{
		"short": short, "header": header, "tool": "auth0-react/2.2.4", "spider": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"hostile words": strings.Repeat("botx", 125), "hostile products": strings.Repeat("a/1 ", 125), "hostile comments": "Mozilla/5.0 (" + strings.Repeat("(;;;", 120),
		"hostile escapes": strings.Repeat(`\u00e9`, 82),
	} {
		b.Run(name, func(b *testing.B) {
			p := useragent.New()
			raw := append([]byte(text), " 00000000"...)
			b.ReportAllocs()
			for b.Loop() {
				increment(raw)
				p.Lookup(raw)
			}
		})
	}
}

// increment counts up the digits at the end.
func increment(digits []byte) {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i]++; digits[i] <= '9' {
			return
		}
		digits[i] = '0'
	}
}
