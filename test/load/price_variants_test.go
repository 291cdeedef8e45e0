package load_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// variant is a way to store a document.
type variant struct {
	name    string
	usual   bool // runs when nothing is chosen
	noID    bool // Elasticsearch makes the ids
	changes []change
}

// change alters documents, the index, or both. Documents are changed in place; i is which one it is.
type change struct {
	name     string // of the change to documents: equal names make equal documents
	document func(doc object, i int)
	index    func(index object)
}

// shape names what happens to the documents.
func (v variant) shape() string {
	var names []string
	for _, c := range v.changes {
		if c.document != nil {
			names = append(names, c.name)
		}
	}
	return fmt.Sprint(v.noID, names)
}

// settle is the body of the request that makes the variant's index.
func (v variant) settle(b *testing.B, index object) []byte {
	b.Helper()
	var own object
	raw, err := json.Marshal(index)
	if err == nil {
		err = json.Unmarshal(raw, &own) // a copy to change
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range v.changes {
		if c.index != nil {
			c.index(own)
		}
	}
	if raw, err = json.Marshal(own); err != nil {
		b.Fatal(err)
	}
	return raw
}

// inside is the object that holds the last part of a dotted path; nil when the document has no such object.
func inside(doc object, path string) (holder object, last string) {
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		doc, _ = doc[part].(object)
	}
	return doc, parts[len(parts)-1]
}

// without removes members from documents and leaves the mapping alone.
func without(paths ...string) change {
	return change{name: "without " + strings.Join(paths, ","), document: func(doc object, _ int) {
		for _, path := range paths {
			holder, last := inside(doc, path)
			delete(holder, last)
		}
	}}
}

// with adds members to documents where they are missing.
func with(name string, members func(i int) object) change {
	return change{name: "with " + name, document: func(doc object, i int) { merge(doc, members(i)) }}
}

func merge(into, from object) {
	for key, value := range from {
		inner, isObject := value.(object)
		there, has := into[key].(object)
		if isObject && has {
			merge(there, inner)
		} else if _, exists := into[key]; !exists {
			into[key] = value
		}
	}
}

// field finds a field's mapping; create makes the way to it.
func field(index object, path string, create bool) (holder object, last string) {
	at, _ := index["mappings"].(object)
	parts := strings.Split(path, ".")
	for i, part := range parts {
		properties, _ := at["properties"].(object)
		if properties == nil {
			if !create {
				return nil, ""
			}
			properties = object{}
			at["properties"] = properties
		}
		if i == len(parts)-1 {
			return properties, part
		}
		next, _ := properties[part].(object)
		if next == nil {
			next = object{}
			if create {
				properties[part] = next
			}
		}
		at = next
	}
	return nil, ""
}

// mapped gives fields a mapping instead of their own.
func mapped(mapping string, paths ...string) change {
	return change{index: func(index object) {
		for _, path := range paths {
			var own object
			_ = json.Unmarshal([]byte(mapping), &own) // a mistake shows as an empty mapping, which is refused
			holder, last := field(index, path, true)
			holder[last] = own
		}
	}}
}

// tuned sets a parameter of fields that are mapped.
func tuned(parameter string, value any, paths ...string) change {
	return change{index: func(index object) {
		for _, path := range paths {
			holder, last := field(index, path, false)
			if own, ok := holder[last].(object); ok {
				own[parameter] = value
			}
		}
	}}
}

// unmapped removes fields from the mapping and leaves the documents alone.
func unmapped(paths ...string) change {
	return change{index: func(index object) {
		for _, path := range paths {
			holder, last := field(index, path, false)
			delete(holder, last)
		}
	}}
}

// setting sets a dotted setting of the index, without its "index.".
func setting(name string, value any) change {
	return change{index: func(index object) {
		settings, _ := index["settings"].(object)
		at, _ := settings["index"].(object)
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(object)
			if !ok {
				next = object{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}}
}

// everyField changes all mappings that have a type.
func everyField(change func(path, kind string, own object)) func(index object) {
	return func(index object) {
		mappings, _ := index["mappings"].(object)
		walk("", mappings, change)
	}
}

func walk(prefix string, at object, change func(path, kind string, own object)) {
	properties, _ := at["properties"].(object)
	for name, value := range properties {
		own, _ := value.(object)
		if kind, ok := own["type"].(string); ok {
			change(prefix+name, kind, own)
		}
		walk(prefix+name+".", own, change)
	}
}
