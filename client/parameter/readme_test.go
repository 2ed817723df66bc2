package parameter_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"shotline/client/parameter"
)

var update = flag.Bool("update", false, "write the table into README.md")

// TestReadme checks that the README contains the table of parameters. With
// -update it writes it.
func TestReadme(t *testing.T) {
	const file, first = "README.md", "| parameter | value | meaning | source |\n"
	var table strings.Builder
	table.WriteString(first + "| --- | --- | --- | --- |\n")
	for _, p := range parameter.All() {
		if p.Reserved != "" {
			continue
		}
		kind := p.Kind.String()
		if p.Values != nil {
			kind = "`" + strings.Join(p.Values, "`, `") + "`"
		}
		note := p.Note
		if p.Newer != "" {
			note += "; older name of `" + p.Newer + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", p.Name, kind, note, p.Source)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), first)
	_, after, _ := strings.Cut(rest, "\n\n")
	if !found {
		t.Fatal("the README has no table")
	}
	want := before + table.String() + "\n" + after
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatal("the table of the README differs from the code: run go test ./client/parameter -run TestReadme -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
