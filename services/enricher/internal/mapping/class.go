package mapping

import (
	"slices"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// class is what a management call does, in ECS's words: more than the code says, which all calls share.
type class struct {
	category string // iam or configuration
	change   string // creation, change, deletion or access
	about    string // user, group or nothing, for iam
}

// classes lists every class.
func classes() (all []class) {
	for _, change := range []string{"creation", "change", "deletion", "access"} {
		all = append(all, class{"configuration", change, ""})
		for _, about := range []string{"user", "group", ""} {
			all = append(all, class{"iam", change, about})
		}
	}
	return all
}

// refine narrows a code to the class: one of iam and configuration, and one kind of change.
func (c class) refine(code catalogue.Code) catalogue.Code {
	code.Category = slices.DeleteFunc(slices.Clone(code.Category), func(category string) bool {
		return category != c.category && (category == "iam" || category == "configuration")
	})
	code.Type = slices.DeleteFunc(slices.Clone(code.Type), func(kind string) bool {
		return kind != c.change && (kind == "access" || kind == "change") || kind == "user" || kind == "group"
	})
	code.Type = append(code.Type, c.change)
	if c.about != "" {
		code.Type = append(code.Type, c.about)
	}
	if !slices.Contains(code.Category, c.category) {
		code.Category = append(code.Category, c.category)
	}
	slices.Sort(code.Category)
	slices.Sort(code.Type)
	code.Type = slices.Compact(code.Type)
	return code
}
