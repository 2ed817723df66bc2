package csvfile

import (
	"fmt"
	"slices"
	"strings"
)

// role is what a column is for.
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
	name string // of the parameter or the metadata
	kind kind   // of a parameter
}

// urlNames are the names of the column with the URL; the first one that is
// there counts.
var urlNames = []string{"url", "urls", "link"}

// separators between columns, as spreadsheets write them in one country or
// another.
var separators = []byte{',', ';', '\t'}

// urlColumn returns where a header has its URLs, -1 when nowhere.
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

// readHeader finds out what each column is for.
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
				return nil, fmt.Errorf("column %q is there twice", excerpt(strings.TrimSpace(cell)))
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
	if why, found := reserved[folded]; found {
		return column{}, fmt.Errorf("column %q: %s; rename or remove it", name, why)
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

// readParamColumn reads a name such as param:NAME. NAME keeps its case, unless
// it is one that is documented.
func readParamColumn(cell string) (column, error) {
	name := strings.TrimSpace(cell[len("param:"):])
	folded := fold(name)
	why, isReserved := reserved[folded]
	switch {
	case name == "":
		return column{}, fmt.Errorf("column %q names no parameter", cell)
	case isReserved:
		return column{}, fmt.Errorf("column %q: %s; remove it", cell, why)
	case folded == "url":
		return column{}, fmt.Errorf("column %q: name it url", cell)
	case folded == "tag" || folded == "tags":
		return column{}, fmt.Errorf("column %q: name it tags", cell)
	}
	if kind, found := documented[folded]; found {
		return column{role: param, name: folded, kind: kind}, nil
	}
	return column{role: param, name: name, kind: open}, nil
}

// SecretColumns tells of each column of a table whether it is for one of
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

// list names columns for an error, not too many of them.
func list(header []string) string {
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

// splitTags reads a cell with tags, each of them once.
func splitTags(into []string, cell string) []string {
	for tag := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == '|' || r == ',' }) {
		tag = strings.TrimSpace(tag)
		if tag != "" && !slices.Contains(into, tag) {
			into = append(into, tag)
		}
	}
	return into
}
