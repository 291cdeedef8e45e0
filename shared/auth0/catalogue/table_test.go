package catalogue_test

import (
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

const head = "code\ttitle\tfilter\tevent.kind\tevent.category\tevent.type\tevent.action\tevent.outcome\tseverity\tnote\n"

const row = "s\tLogin\t\tevent\tauthentication\tinfo\tlogin\tsuccess\t1\t\n"

func TestABrokenTableIsRefusedWithItsLine(t *testing.T) {
	if n, err := catalogue.Parse(head + row); err != nil || n != 1 {
		t.Fatalf("a sound table: %d codes, %v", n, err)
	}
	for name, test := range map[string]struct{ table, want string }{
		"no table":       {"", "line 1: columns are"},
		"columns differ": {"id\ttitle\n", "line 1: columns are"},
		"short line":     {head + row + "f\tLogin failed\n", "line 3: 2 columns, want 10"},
		"empty line":     {head + "\n" + row, "line 2: 1 columns, want 10"},
		"empty cell":     {head + strings.Replace(row, "success", "", 1), "line 2: column event.outcome is empty"},
		"bad severity":   {head + strings.Replace(row, "\t1\t", "\thigh\t", 1), `severity "high" of code "s"`},
		"severity range": {head + strings.Replace(row, "\t1\t", "\t5\t", 1), "want 1 to 4"},
		"code twice":     {head + row + row, `line 3: code "s" is there already`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := catalogue.Parse(test.table)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestABrokenTableOfTheComparisonIsRefused(t *testing.T) {
	if n, err := catalogue.Cells("a\tb\n1\t2\n", "a", "b"); err != nil || n != 1 {
		t.Fatalf("a sound table: %d rows, %v", n, err)
	}
	for name, text := range map[string]string{"nothing": "", "other columns": "a\tc\n", "short": "a\tb\n1\n", "empty cell": "a\tb\n1\t\n"} {
		if _, err := catalogue.Cells(text, "a", "b"); err == nil {
			t.Errorf("%s: the table is taken", name)
		}
	}
}
