package load_test

import (
	"fmt"
	"hash/fnv"
	"strconv"
)

// copies is how many fields of one kind a variant adds: one alone is lost in the noise.
const copies = 10

// listVariants are a price list: each adds ten fields of a kind, so a tenth of the difference is what one costs.
func listVariants() []variant {
	const keyword = `{"type":"keyword","ignore_above":1024}`
	same := func(int, int) any { return "the same 20 letters" }
	few := func(i, j int) any { return fmt.Sprintf("one of five hundred %03d", hashed(i, j)%500) }
	unique := func(i, j int) any { return fmt.Sprintf("%016x%016x", hashed(i, j), hashed(j, i)) }
	moment := func(i, j int) any {
		return fmt.Sprintf("2026-11-23T%02d:%02d:%02d.%03dZ", i%24, j, i%60, hashed(i, j)%1000)
	}
	list := []struct {
		name, mapping string
		value         func(i, j int) any
	}{
		{"unmapped strings, the same", "", same},
		{"unmapped strings, unique", "", unique},
		{"keywords, the same", keyword, same},
		{"keywords, few values", keyword, few},
		{"keywords, few values, no index", `{"type":"keyword","index":false}`, few},
		{"keywords, few values, no doc_values", `{"type":"keyword","doc_values":false}`, few},
		{"keywords, unique", keyword, unique},
		{"keywords, unique, no index", `{"type":"keyword","index":false}`, unique},
		{"keywords, unique, no doc_values", `{"type":"keyword","doc_values":false}`, unique},
		{"numbers, unmapped", "", func(i, j int) any { return hashed(i, j) % 100_000 }},
		{"longs", `{"type":"long"}`, func(i, j int) any { return hashed(i, j) % 100_000 }},
		{"longs, no index", `{"type":"long","index":false}`, func(i, j int) any { return hashed(i, j) % 100_000 }},
		{"booleans", `{"type":"boolean"}`, func(i, j int) any { return hashed(i, j)%3 == 0 }},
		{"dates", `{"type":"date"}`, moment},
		{"dates, no index", `{"type":"date","index":false}`, moment},
		{"ips", `{"type":"ip"}`, func(i, j int) any { return fmt.Sprintf("203.0.%d.%d", hashed(i, j)%256, hashed(j, i)%256) }},
		{"geo_points", `{"type":"geo_point"}`, func(i, j int) any {
			return object{"lat": float64(hashed(i, j)%1700)/10 - 85, "lon": float64(hashed(j, i)%3500)/10 - 175}
		}},
		{"texts of three words", `{"type":"text"}`, few},
	}
	all := make([]variant, 0, len(list)+2)
	for _, l := range list {
		all = append(all, variant{name: "10 " + l.name, changes: []change{extra(l.name, l.mapping, l.value)}})
	}
	for name, mapping := range map[string]string{
		"10 leaves of a flattened": `{"type":"flattened"}`, "10 leaves of a flattened, no doc_values": `{"type":"flattened","doc_values":false}`,
	} {
		all = append(all, variant{name: name, changes: []change{
			with(name, func(i int) object { return object{"extra": members(i, few)} }), mapped(mapping, "extra"),
		}})
	}
	return all
}

// extra adds the fields extra.f0 to extra.f9; an empty mapping leaves them unmapped.
func extra(name, mapping string, value func(i, j int) any) change {
	c := with("ten "+name, func(i int) object { return object{"extra": members(i, value)} })
	if mapping != "" {
		paths := make([]string, copies)
		for j := range paths {
			paths[j] = "extra.f" + strconv.Itoa(j)
		}
		c.index = mapped(mapping, paths...).index
	}
	return c
}

func members(i int, value func(i, j int) any) object {
	all := object{}
	for j := range copies {
		all["f"+strconv.Itoa(j)] = value(i, j)
	}
	return all
}

// hashed is a number that looks random and is the same in every run.
func hashed(i, j int) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, i, " ", j) // a hash takes every byte
	return h.Sum64()
}
