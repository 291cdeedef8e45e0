package cli

import (
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// find returns the codes that the query chooses, in their order.
func (q *codeQuery) find(codes []catalogue.Code) []catalogue.Code {
	return slices.DeleteFunc(slices.Clone(codes), func(code catalogue.Code) bool {
		return !q.carries(code.Filter) || q.outcome != "" && code.Outcome != q.outcome ||
			q.category != "" && !slices.Contains(code.Category, q.category) || !q.named(code)
	})
}

// named reports whether the pattern means the code.
func (q *codeQuery) named(code catalogue.Code) bool {
	if strings.ContainsAny(q.pattern, "*?[") {
		ok, err := path.Match(q.pattern, code.ID)
		return ok && err == nil
	}
	word := strings.ToLower(q.pattern)
	return strings.Contains(strings.ToLower(code.ID), word) || strings.Contains(strings.ToLower(code.Title), word) ||
		strings.Contains(code.Action, word)
}

// allCodes is the catalogue for completions, which cannot fail: a broken table completes nothing.
func allCodes() []catalogue.Code {
	table, err := catalogue.Load()
	if err != nil {
		return nil
	}
	return table.Codes()
}

// completeCodes offers codes with their titles.
func completeCodes(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, code := range allCodes() {
		if strings.HasPrefix(code.ID, begun) {
			offers = append(offers, cobra.CompletionWithDesc(code.ID, code.Title))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
