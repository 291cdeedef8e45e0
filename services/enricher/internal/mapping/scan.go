package mapping

import (
	"iter"

	"github.com/sluicelog/sluice/shared/auth0"
)

// Everything here reads JSON that auth0.Parse has already found valid, so nothing can end early.

// members yields the members of an object: keys without quotes, values as written. Nothing for any other value.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if len(object) == 0 || object[0] != '{' {
			return
		}
		at := skipSpace(object, 1)
		for object[at] == '"' {
			end := stringEnd(object, at)
			key := object[at+1 : end-1]
			from := skipSpace(object, skipSpace(object, end)+1)
			to := valueEnd(object, from)
			if !yield(key, object[from:to:to]) {
				return
			}
			if at = skipSpace(object, to); object[at] != ',' {
				return
			}
			at = skipSpace(object, at+1)
		}
	}
}

// elements yields the elements of an array; nothing for any other value.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		at := skipSpace(array, 1)
		for array[at] != ']' {
			to := valueEnd(array, at)
			if !yield(array[at:to:to]) {
				return
			}
			if at = skipSpace(array, to); array[at] == ',' {
				at = skipSpace(array, at+1)
			}
		}
	}
}

// member returns the value of a key in an object, nil when there is none.
func member(object []byte, key string) []byte {
	for k, value := range members(object) {
		if string(k) == key {
			return value
		}
	}
	return nil
}

func skipSpace(b []byte, at int) int {
	for b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t' {
		at++
	}
	return at
}

// stringEnd returns the place behind the string that begins at at.
func stringEnd(b []byte, at int) int {
	end := auth0.PlainRun(b, at+1)
	for end < len(b) && b[end] == '\\' {
		end = auth0.PlainRun(b, end+2)
	}
	return min(end+1, len(b))
}

// valueEnd returns the place behind the value that begins at at.
func valueEnd(b []byte, at int) int {
	switch b[at] {
	case '"':
		return stringEnd(b, at)
	case '{', '[':
		return nestedEnd(b, at)
	}
	return wordEnd(b, at)
}

// wordEnd returns the place behind a number, true, false or null.
func wordEnd(b []byte, at int) int {
	for at < len(b) {
		switch b[at] {
		case ',', ']', '}', ' ', '\n', '\r', '\t':
			return at
		}
		at++
	}
	return at
}

func nestedEnd(b []byte, at int) int {
	depth := 0
	for i := at; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// What Elasticsearch's flattened field bears, with room for the path above, and what we bear of it.
const (
	maxDepth  = 18
	maxKey    = 512
	maxLeaves = 1000
)

// bearable reports whether a flattened field bears what a value holds.
func bearable(x *auth0.Extent) bool {
	return !x.NUL && x.Key <= maxKey && x.Depth <= maxDepth && x.Leaves <= maxLeaves
}
