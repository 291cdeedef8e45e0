package load_test

import (
	"fmt"
	"slices"
)

const details = "auth0.logs.data.details"

// constants say the same in all documents of a namespace.
func constants() []string {
	return []string{
		"ecs.version", "event.kind", "event.module", "event.provider", "event.dataset",
		"data_stream.type", "data_stream.dataset", "data_stream.namespace",
	}
}

// seldom are keywords that few people filter by.
func seldom() []string {
	return prefixed("auth0.logs.data.", "connection_id", "strategy", "strategy_type", "hostname", "environment_name",
		"scope", "audience", "is_mobile", "tenant_name")
}

func prefixed(prefix string, names ...string) []string {
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}

// lean is what all variants share unless they say otherwise: the document without a second copy of its event, and a
// refresh at the end only, because how many documents a second's refresh gathers depends on how busy the machine is.
func lean() []change { return []change{without("event.original"), setting("refresh_interval", "-1")} }

// variants lists all of them; the first is what the others are compared with.
func variants() []variant {
	all := []variant{
		{name: "base", usual: true},
		{name: "base again", usual: true},
	}
	all = slices.Concat(all, detailVariants(), textVariants(), documentVariants(), keywordVariants(), settingVariants(), mixedVariants(), listVariants())
	for i := range all {
		all[i].changes = slices.Concat(lean(), all[i].changes)
	}
	return slices.Concat(all, []variant{{name: "with event.original", usual: true, changes: lean()[1:]}})
}

func detailVariants() []variant {
	return []variant{
		{name: "details no doc_values", usual: true, changes: []change{tuned("doc_values", false, details)}},
		{name: "details no index", changes: []change{tuned("index", false, details)}},
		{name: "details no index no doc_values", changes: []change{tuned("index", false, details), tuned("doc_values", false, details)}},
		{name: "details unmapped", usual: true, changes: []change{unmapped(details)}},
		{name: "details left out", changes: []change{without(details)}},
		{name: "details without times", changes: []change{{name: "no times in details", document: func(doc object, _ int) {
			if holder, last := inside(doc, details); holder != nil {
				dropTimes(holder[last])
			}
		}}}},
		{name: "details ignore_above 30", changes: []change{tuned("ignore_above", 30, details)}},
	}
}

func textVariants() []variant {
	texts := []string{"message", "auth0.logs.data.description"}
	return []variant{
		{name: "message no norms", changes: []change{tuned("norms", false, texts...)}},
		{name: "message no norms docs only", usual: true, changes: []change{tuned("norms", false, texts...), tuned("index_options", "docs", texts...)}},
		{name: "message match_only_text", changes: []change{mapped(`{"type":"match_only_text"}`, texts...)}},
		{name: "message keyword", changes: []change{mapped(`{"type":"keyword","ignore_above":1024}`, texts...)}},
		{name: "message unmapped", changes: []change{unmapped(texts...)}},
		{name: "message left out", changes: []change{without(texts...)}},
		{name: "no user.name.text", changes: []change{tuned("fields", object{}, "user.name")}},
	}
}

func documentVariants() []variant {
	related := []string{"related.ip", "related.user"}
	return []variant{
		{name: "related left out", changes: []change{without(related...)}},
		{name: "related by copy_to", usual: true, changes: []change{
			without(related...),
			tuned("copy_to", "related.ip", "source.ip"),
			tuned("copy_to", "related.user", "user.id", "user.email", "user.name"),
		}},
		{name: "constants unmapped", changes: []change{unmapped(constants()...)}},
		{name: "constants left out", usual: true, changes: []change{without(constants()...)}},
		{name: "sluice unmapped", changes: []change{unmapped("sluice.endpoint", "sluice.delivery", "sluice.item")}},
		{name: "sluice left out", changes: []change{without("sluice")}},
		{name: "data.type alias of event.code", changes: []change{
			without("auth0.logs.data.type"), mapped(`{"type":"alias","path":"event.code"}`, "auth0.logs.data.type"),
		}},
		{name: "event.created unmapped", changes: []change{unmapped("event.created")}},
		{name: "event.ingested unmapped", changes: []change{unmapped("event.ingested")}},
		{name: "network left out", changes: []change{without("network")}},
		{name: "user_agent unmapped", changes: []change{unmapped("user_agent.original")}},
		{name: "user_agent left out", changes: []change{without("user_agent")}},
		{name: "coming fields", usual: true, changes: []change{with("coming fields", coming), comingMapped()}},
		{name: "coming fields unmapped", changes: []change{with("coming fields", coming)}},
	}
}

func keywordVariants() []variant {
	return []variant{
		{name: "event.id unmapped", changes: []change{unmapped("event.id")}},
		{name: "event.id no doc_values", changes: []change{tuned("doc_values", false, "event.id")}},
		{name: "event.id no index", changes: []change{tuned("index", false, "event.id")}},
		{name: "seldom no index", changes: []change{tuned("index", false, seldom()...)}},
		{name: "seldom unmapped", changes: []change{unmapped(seldom()...)}},
		{name: "keywords no index", changes: []change{{index: everyField(func(path, kind string, own object) {
			if kind == "keyword" && path != "event.original" {
				own["index"] = false
			}
		})}}},
		{name: "keywords no doc_values", changes: []change{{index: everyField(func(_, kind string, own object) {
			if kind == "keyword" {
				own["doc_values"] = false
			}
		})}}},
		{name: "only @timestamp mapped", usual: true, changes: []change{{index: func(index object) {
			mappings, _ := index["mappings"].(object)
			mappings["properties"] = object{"@timestamp": object{"type": "date"}}
		}}}},
		{name: "eager_global_ordinals", changes: []change{tuned("eager_global_ordinals", true, "event.code", "event.action", "source.ip", "user.id")}},
	}
}

func settingVariants() []variant {
	return []variant{
		{name: "codec default", usual: true, changes: []change{setting("codec", "default")}},
		{name: "refresh 1s", usual: true, changes: []change{setting("refresh_interval", "1s")}},
		{name: "refresh 5s", changes: []change{setting("refresh_interval", "5s")}},
		{name: "translog async", changes: []change{setting("translog.durability", "async")}},
		{name: "flush at 2gb", changes: []change{setting("translog.flush_threshold_size", "2gb")}},
		{name: "flush at 64mb", changes: []change{setting("translog.flush_threshold_size", "64mb")}},
		{name: "one merge thread", changes: []change{setting("merge.scheduler.max_thread_count", 1)}},
		{name: "merge floor 32mb", changes: []change{setting("merge.policy.floor_segment", "32mb")}},
		{name: "merge tier 20", changes: []change{setting("merge.policy.segments_per_tier", 20)}},
		{name: "sorted by time", changes: []change{setting("sort.field", "@timestamp"), setting("sort.order", "desc")}},
		{name: "ids by Elasticsearch", noID: true},
		{name: "no bloom filter", changes: []change{setting("bloom_filter_for_id_field.enabled", false)}},
	}
}

// dropTimes takes out what hardly two events have alike and nobody looks for: when a prompt of a login began and how long it took.
func dropTimes(value any) {
	switch v := value.(type) {
	case object:
		for _, key := range []string{"initiatedAt", "completedAt", "elapsedTime"} {
			delete(v, key)
		}
		for _, inner := range v {
			dropTimes(inner)
		}
	case []any:
		for _, inner := range v {
			dropTimes(inner)
		}
	}
}

// mixedVariants are what we may choose together.
func mixedVariants() []variant {
	texts := []string{"message", "auth0.logs.data.description"}
	harmless := []change{
		tuned("norms", false, texts...), tuned("index_options", "docs", texts...), tuned("fields", object{}, "user.name"),
		tuned("doc_values", false, details),
	}
	related := []change{
		without("related.ip", "related.user"), tuned("copy_to", "related.ip", "source.ip"),
		tuned("copy_to", "related.user", "user.id", "user.email", "user.name"),
	}
	bare := slices.Concat([]change{without(constants()...), unmapped(constants()...)}, related)
	return []variant{
		{name: "harmless", changes: harmless},
		{name: "harmless default codec", changes: slices.Concat(harmless, []change{setting("codec", "default")})},
		{name: "harmless bare", changes: slices.Concat(harmless, bare)},
		{name: "harmless coming", usual: true, changes: slices.Concat(harmless, []change{with("coming fields", coming), comingMapped()})},
		{name: "harmless bare coming", changes: slices.Concat(harmless, bare, []change{with("coming fields", coming), comingMapped()})},
	}
}

// coming are the members that a fuller mapping would add, about as varied as real ones.
func coming(i int) object {
	countries := [][2]string{{"DE", "Germany"}, {"US", "United States"}, {"FR", "France"}, {"BR", "Brazil"}, {"JP", "Japan"}}
	country := countries[i%len(countries)]
	return object{
		"source": object{
			"geo": object{
				"country_iso_code": country[0], "country_name": country[1], "city_name": fmt.Sprintf("City %d", i%400),
				"location": object{"lat": float64(i%170) - 85.5, "lon": float64(i%350) - 175.25},
			},
			"as": object{"number": 1000 + i%900, "organization": object{"name": fmt.Sprintf("Carrier %d Inc.", i%900)}},
		},
		"user_agent": object{"name": "Chrome", "version": fmt.Sprintf("%d.0.0.0", 110+i%30), "os": object{"name": "Windows", "version": "10"}},
		"tls":        object{"client": object{"ja3": fmt.Sprintf("%032x", i%5000), "ja4": fmt.Sprintf("t13d%04dh2_8daaf6152771_%012x", i%100, i%5000)}},
		"auth0":      object{"logs": object{"data": object{"session_id": fmt.Sprintf("sess_%027d", i/3)}}},
	}
}

// comingMapped maps what coming adds.
func comingMapped() change {
	keywords := mapped(`{"type":"keyword","ignore_above":1024}`,
		"source.geo.country_iso_code", "source.geo.country_name", "source.geo.city_name", "source.as.organization.name",
		"user_agent.name", "user_agent.version", "user_agent.os.name", "user_agent.os.version", "tls.client.ja3", "tls.client.ja4")
	numbers, places := mapped(`{"type":"long"}`, "source.as.number"), mapped(`{"type":"geo_point"}`, "source.geo.location")
	return change{index: func(index object) {
		keywords.index(index)
		numbers.index(index)
		places.index(index)
	}}
}
