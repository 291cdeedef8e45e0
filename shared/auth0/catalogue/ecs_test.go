package catalogue_test

// What ECS 8.17.0 allows, taken from the allowed_values and
// expected_event_types of generated/ecs/ecs_flat.yml in elastic/ecs at tag
// v8.17.0 (commit e3103a213a4e84cbcd3ef36da7001483ddc60230).

func ecsKinds() []string {
	return []string{"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
}

func ecsOutcomes() []string {
	return []string{"failure", "success", "unknown"}
}

func ecsTypes() []string {
	return []string{
		"access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "end", "error",
		"group", "indicator", "info", "installation", "protocol", "start", "user",
	}
}

// ecsPairs maps each event.category to the event.type values it may have.
func ecsPairs() map[string][]string {
	return map[string][]string{
		"api":                 {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
		"authentication":      {"start", "end", "info"},
		"configuration":       {"access", "change", "creation", "deletion", "info"},
		"database":            {"access", "change", "info", "error"},
		"driver":              {"change", "end", "info", "start"},
		"email":               {"info"},
		"file":                {"access", "change", "creation", "deletion", "info"},
		"host":                {"access", "change", "end", "info", "start"},
		"iam":                 {"admin", "change", "creation", "deletion", "group", "info", "user"},
		"intrusion_detection": {"allowed", "denied", "info"},
		"library":             {"start"},
		"malware":             {"info"},
		"network":             {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
		"package":             {"access", "change", "deletion", "info", "installation", "start"},
		"process":             {"access", "change", "end", "info", "start"},
		"registry":            {"access", "change", "creation", "deletion"},
		"session":             {"start", "end", "info"},
		"threat":              {"indicator"},
		"vulnerability":       {"info"},
		"web":                 {"access", "error", "info"},
	}
}
