package jobs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEventTable checks that every constant of EventType has one row in the table,
// and that no row lacks a word, a recipient or the state that it reports.
func TestEventTable(t *testing.T) {
	if declared := declaredEventTypes(t); !slices.Equal(declared, EventTypes) {
		t.Errorf("constants %v, rows %v", declared, EventTypes)
	}
	for _, info := range EventTable {
		if !strings.HasPrefix(string(info.Type), string(info.Subject)+".") {
			t.Errorf("%s: its subject is %q", info.Type, info.Subject)
		}
		if info.Sinks < SinksNamed || info.Sinks > SinksFailures {
			t.Errorf("%s: no rule for sinks", info.Type)
		}
		if info.Doc == "" || strings.HasSuffix(info.Doc, ".") || info.Text == "" {
			t.Errorf("%s: documentation %q, text %q", info.Type, info.Doc, info.Text)
		}
		var isWhole bool
		switch info.Subject {
		case SubjectJob:
			isCarried := info.Late || info.Corrected // by the event itself
			isWhole = isCarried != info.State.Valid() && info.BatchState == ""
		case SubjectBatch:
			isWhole = info.State == "" && info.BatchState != ""
		case SubjectForeign:
			isWhole = info.State == "" && info.BatchState == ""
		}
		if !isWhole {
			t.Errorf("%s of a %s reports the state %q%q", info.Type, info.Subject, info.State, info.BatchState)
		}
		// The store makes the names of these from the state.
		if info.State != "" && !info.State.Open() && info.Type != EventType("job."+info.State) {
			t.Errorf("%s reports %s", info.Type, info.State)
		}
	}
	if info := EventType("job.new").Info(); info != (EventInfo{Type: "job.new"}) {
		t.Errorf("a type of a later version is described as %+v", info)
	}
}

// declaredEventTypes reads the constants of EventType from the source.
func declaredEventTypes(t *testing.T) (types []EventType) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "eventtype.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "EventType" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, EventType(text))
		}
		return true
	})
	return types
}
