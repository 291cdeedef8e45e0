package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
)

// shownIndex is one index of a namespace and when it goes.
type shownIndex struct {
	Index     string    `json:"index"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Documents *int64    `json:"documents,omitempty"` // absent: not known
	Bytes     *int64    `json:"bytes,omitempty"`
	Deleted   time.Time `json:"deleted,omitzero"` // when retention deletes it; absent: never
}

// shownNamespace is a namespace as `sluice namespace` prints it with --json.
type shownNamespace struct {
	Name      string          `json:"name"`
	Period    period.Unit     `json:"period"` // at present
	Calendar  period.Calendar `json:"calendar"`
	Retention string          `json:"retention"` // such as 90d; "none" when everything is kept
	Endpoints int             `json:"endpoints"`
	Indices   []shownIndex    `json:"indices"`
	Note      string          `json:"note,omitempty"`
}

func (a *App) namespaceListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the namespaces with their period, their retention and what it deletes next",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listNamespaces(cmd.Context()) },
	}
}

func (a *App) namespaceShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a namespace: its calendar, its indices, and when retention deletes each of them",
		Args:              one(aNamespace),
		ValidArgsFunction: a.completeNamespaces,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.showNamespace(cmd.Context(), args[0]) },
	}
}

func (a *App) listNamespaces(ctx context.Context) error {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	all, err := session.Registry.Namespaces(ctx)
	if err != nil {
		return err
	}
	endpoints, err := session.endpointsPerNamespace(ctx)
	if err != nil {
		return err
	}
	rows := make([]*shownNamespace, 0, len(all))
	for i := range all {
		rows = append(rows, session.namespace(ctx, &all[i], endpoints[all[i].Name]))
	}
	return a.print(rows, func(w io.Writer) { writeNamespaces(w, rows) })
}

func (s *Session) endpointsPerNamespace(ctx context.Context) (map[string]int, error) {
	all, err := s.Registry.List(ctx)
	count := map[string]int{}
	for _, e := range all {
		count[e.Namespace]++
	}
	return count, err
}

// namespace gathers what is known of a namespace. An Elasticsearch that is away costs the indices only.
func (s *Session) namespace(ctx context.Context, n *endpoint.Namespace, endpoints int) *shownNamespace {
	out := &shownNamespace{
		Name: n.Name, Period: n.Calendar.Unit(time.Now()), Calendar: n.Calendar, Retention: keptFor(n.Retention), Endpoints: endpoints, Indices: []shownIndex{},
	}
	if n.Retention == 0 {
		out.Retention = "none"
	}
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	members, err := s.Elastic.Members(ctx, n.Name)
	if err != nil {
		out.Note = "the indices are not known: " + unseen(err, "view_index_metadata", elastic.RoleSetup)
		return out
	}
	sizes, err := s.Elastic.Sizes(ctx, n.Name)
	if err != nil && len(members) > 0 {
		out.Note = "the sizes of the indices are not known: " + unseen(err, "monitor", elastic.RoleRetention)
	}
	for _, index := range members {
		out.Indices = append(out.Indices, shown(n, index, sizes))
	}
	return out
}

func shown(n *endpoint.Namespace, index string, sizes map[string]elastic.Size) shownIndex {
	_, name, _ := period.Split(index)
	one := shownIndex{Index: index}
	one.From, one.To, _ = period.Span(name)
	if size, known := sizes[index]; known {
		one.Documents, one.Bytes = &size.Documents, &size.Bytes
	}
	if at, due := n.Due(name); due {
		one.Deleted = at
	}
	return one
}

// unseen says why something of the indices is not known; where a privilege is missing, which, and the role that has it.
func unseen(err error, privilege, role string) string {
	if elastic.Status(err) != http.StatusForbidden {
		return err.Error()
	}
	return "not permitted: the user of Elasticsearch needs the privilege " + privilege + " on logs-auth0.logs-*, which the role " + role + " has"
}

// next is the index that is deleted first; nil when none ever is.
func (n *shownNamespace) next() (first *shownIndex) {
	for i := range n.Indices {
		if one := &n.Indices[i]; !one.Deleted.IsZero() && (first == nil || one.Deleted.Before(first.Deleted)) {
			first = one
		}
	}
	return first
}

func writeNamespaces(w io.Writer, rows []*shownNamespace) {
	fmt.Fprintln(w, "NAME\tPERIOD\tRETENTION\tENDPOINTS\tINDICES\tNEXT DELETION")
	for _, n := range rows {
		indices, next := strconv.Itoa(len(n.Indices)), "-"
		if n.Note != "" && len(n.Indices) == 0 {
			indices = "?"
		}
		if first := n.next(); first != nil {
			next = fmt.Sprintf("%s (%s)", moment(first.Deleted), first.Index)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", n.Name, n.Period, n.Retention, n.Endpoints, indices, next)
	}
	for _, n := range rows {
		if n.Note != "" {
			paragraph(w, "\nNamespace "+n.Name+": "+n.Note)
		}
	}
}

func (a *App) showNamespace(ctx context.Context, name string) error {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	n, err := session.Registry.Namespace(ctx, name)
	if err != nil {
		return explainNamespace(err)
	}
	endpoints, err := session.endpointsPerNamespace(ctx)
	if err != nil {
		return err
	}
	out := session.namespace(ctx, &n, endpoints[name])
	return a.print(out, func(w io.Writer) { writeNamespace(w, out, &n, time.Now()) })
}

func writeNamespace(w io.Writer, out *shownNamespace, n *endpoint.Namespace, now time.Time) {
	fmt.Fprintf(w, "Name\t%s\nEndpoints\t%d\nRetention\t%s\n", out.Name, out.Endpoints, out.Retention)
	for i, rule := range n.Calendar {
		label, from := "Period", "from the beginning"
		if i > 0 {
			label, from = "", "for events from "+moment(rule.From)+" on"
		}
		if rule.From.After(now) {
			from += " (still to come)"
		}
		fmt.Fprintf(w, "%s\t%s, %s\n", label, rule.Unit, from)
	}
	if settled := n.Settled(); n.Retention > 0 && settled.After(now) {
		fmt.Fprintln(w)
		paragraph(w, "The retention was changed "+age(n.RetentionSet, now)+" ago; nothing is deleted by it before "+moment(settled)+".")
	}
	if out.Note != "" {
		fmt.Fprintln(w)
		paragraph(w, out.Note)
	}
	if len(out.Indices) == 0 {
		return
	}
	fmt.Fprint(w, "\nINDEX\tFROM\tTO\tDOCUMENTS\tMIB\tDELETED\n")
	for _, one := range out.Indices {
		deleted := "never"
		switch {
		case one.Deleted.IsZero():
		case one.Deleted.After(now):
			deleted = moment(one.Deleted)
		default:
			deleted = "now"
		}
		documents, size := "?", "?"
		if one.Documents != nil && one.Bytes != nil {
			documents, size = strconv.FormatInt(*one.Documents, 10), fmt.Sprintf("%.1f", float64(*one.Bytes)/(1<<20))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", one.Index, moment(one.From), moment(one.To), documents, size, deleted)
	}
}
