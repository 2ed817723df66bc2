package csvfile

import (
	"fmt"
	"slices"
	"strings"
)

// role is the purpose of a column.
type role int

const (
	metadata role = iota
	ignored       // a column without a name
	address
	tags
	param
)

// column is one column of a table.
type column struct {
	role role
	name string // name of the parameter or the metadata
	kind kind   // kind of the parameter
}

// urlNames are the names of the URL column. If several exist, the first in this
// list is used.
var urlNames = []string{"url", "urls", "link"}

// separators are the column separators that spreadsheets use, depending on the
// locale.
var separators = []byte{',', ';', '\t'}

// urlColumn returns the index of the URL column, or -1 if there is none.
func urlColumn(header []string) int {
	for _, name := range urlNames {
		for i, cell := range header {
			if fold(cell) == name {
				return i
			}
		}
	}
	return -1
}

// readHeader determines the role of each column.
func readHeader(header []string) ([]column, error) {
	at := urlColumn(header)
	columns := make([]column, len(header))
	seen := make(map[string]bool, len(header))
	for i, cell := range header {
		c, err := readColumn(cell)
		if err != nil {
			return nil, err
		}
		if fold(cell) == fold(header[at]) {
			c = column{role: address, name: fold(cell)}
		}
		if c.role != ignored {
			identity := fmt.Sprint(c.role, c.name)
			if seen[identity] {
				return nil, fmt.Errorf("column %q occurs twice", excerpt(strings.TrimSpace(cell)))
			}
			seen[identity] = true
		}
		columns[i] = c
	}
	return columns, nil
}

func readColumn(cell string) (column, error) {
	name := strings.TrimSpace(cell)
	if name == "" {
		return column{role: ignored}, nil
	}
	folded := fold(name)
	if reason, found := reserved[folded]; found {
		return column{}, fmt.Errorf("column %q: %s; rename or remove it", name, reason)
	}
	if kind, found := documented[folded]; found {
		return column{role: param, name: folded, kind: kind}, nil
	}
	if folded == "tag" || folded == "tags" {
		return column{role: tags, name: folded}, nil
	}
	if strings.HasPrefix(folded, "param:") || strings.HasPrefix(folded, "param.") {
		return readParamColumn(name)
	}
	return column{role: metadata, name: name}, nil
}

// readParamColumn reads a name such as param:NAME. NAME keeps its case unless it
// is the name of a documented parameter.
func readParamColumn(cell string) (column, error) {
	name := strings.TrimSpace(cell[len("param:"):])
	folded := fold(name)
	reason, isReserved := reserved[folded]
	switch {
	case name == "":
		return column{}, fmt.Errorf("column %q contains no parameter name", cell)
	case isReserved:
		return column{}, fmt.Errorf("column %q: %s; remove it", cell, reason)
	case folded == "url":
		return column{}, fmt.Errorf("column %q: name it url", cell)
	case folded == "tag" || folded == "tags":
		return column{}, fmt.Errorf("column %q: name it tags", cell)
	}
	if kind, found := documented[folded]; found {
		return column{role: param, name: folded, kind: kind}, nil
	}
	return column{role: param, name: name, kind: untyped}, nil
}

// SecretColumns returns, for each column of a table, whether it is for one of
// SecretParams.
func SecretColumns(header []string) []bool {
	secret := make([]bool, len(header))
	for i, cell := range header {
		c, err := readColumn(cell)
		secret[i] = err == nil && c.role == param && slices.Contains(SecretParams, c.name)
	}
	return secret
}

func fold(cell string) string { return strings.ToLower(strings.TrimSpace(cell)) }

// listColumns lists columns for an error, up to a limit.
func listColumns(header []string) string {
	const most = 20
	names := make([]string, 0, most)
	for _, cell := range header[:min(len(header), most)] {
		names = append(names, fmt.Sprintf("%q", excerpt(strings.TrimSpace(cell))))
	}
	if len(header) > most {
		names = append(names, fmt.Sprintf("and %d more", len(header)-most))
	}
	return strings.Join(names, ", ")
}

// splitTags appends the tags in a cell to list, without repeated ones.
func splitTags(list []string, cell string) []string {
	for tag := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == '|' || r == ',' }) {
		tag = strings.TrimSpace(tag)
		if tag != "" && !slices.Contains(list, tag) {
			list = append(list, tag)
		}
	}
	return list
}
