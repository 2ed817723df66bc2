package csvfile

import (
	"fmt"
	"slices"
	"strings"

	"shotline/client/excerpt"
	"shotline/client/parameter"
	"shotline/jobs/weburl"
)

// role is the purpose of a column.
type role int

const (
	metadata role = iota
	ignored       // a column without a name
	address
	tags
	param
	option
	result // a column of an earlier results file
)

// column is one column of a table.
type column struct {
	role   role
	header string              // the cell of the header, without surrounding spaces
	name   string              // name of the parameter, the option or the metadata
	param  parameter.Parameter // of a column of the role param
	// candidate is set if the header has the name of a parameter. The column is one
	// if all its values make sense as values of the parameter.
	candidate bool
	note      string // what the user should know about the column; can be empty
}

// The prefixes with which a header decides the role of its column. A dot can
// replace the colon of the first two.
const (
	paramPrefix  = "param"
	metaPrefix   = "meta"
	optionPrefix = "job:"
)

// jobColumn is the column of a results file that names the job of a row.
const jobColumn = "job_id"

// cutPrefix returns the name after a prefix and a colon or a dot.
func cutPrefix(header, prefix string) (name string, found bool) {
	if len(header) <= len(prefix) || !strings.EqualFold(header[:len(prefix)], prefix) || !strings.Contains(":.", header[len(prefix):len(prefix)+1]) {
		return "", false
	}
	return strings.TrimSpace(header[len(prefix)+1:]), true
}

// readHeader determines the role of each column. The URLs are in the column url.
// The role of a candidate is not final.
func readHeader(header []string, url int) ([]column, error) {
	columns := make([]column, len(header))
	results := resultColumns(header, url)
	for i, cell := range header {
		if c, found := results[i]; found {
			columns[i] = c
			continue
		}
		if i == url || fold(cell) == fold(header[url]) && strongColumn(header) == url {
			columns[i] = column{role: address, header: weburl.Trim(cell), name: fold(cell)}
			continue
		}
		c, err := readColumn(cell)
		if err != nil {
			return nil, err
		}
		columns[i] = c
	}
	for i, c := range columns {
		forced := slices.IndexFunc(columns, func(other column) bool {
			return other.role == param && !other.candidate && other.name == c.name
		})
		if c.candidate && forced >= 0 {
			columns[i] = c.own(fmt.Sprintf("because column %q sets %s", excerpt.Of(columns[forced].header), c.name))
		}
	}
	return columns, checkRepeated(columns)
}

// keepPrefixes lets metadata whose header has a prefix keep the whole header as
// its name if another column has the name after the prefix: lists that were
// converted from JSON have columns such as title and meta.title.
func keepPrefixes(columns []column) {
	uses := map[string]int{}
	for _, c := range columns {
		if c.role == metadata {
			uses[c.name]++
		}
	}
	for i, c := range columns {
		if c.role == metadata && uses[c.name] > 1 {
			columns[i].name = c.header
		}
	}
}

// checkRepeated returns an error if two columns have the same role and name. It
// skips candidates, whose roles are not decided. If columns of the user's own have
// the same name, it gives them different names.
func checkRepeated(columns []column) error {
	keepPrefixes(columns)
	type identity struct {
		role role
		name string
	}
	seen := make(map[identity]bool, len(columns))
	for i, c := range columns {
		is := identity{c.role, c.name}
		if c.role == ignored || c.candidate {
			continue
		}
		for n := 2; c.role == metadata && seen[is]; n++ {
			is.name = fmt.Sprintf("%s (%d)", c.name, n)
			columns[i].name = is.name
		}
		if seen[is] {
			return fmt.Errorf("column %q occurs twice", excerpt.Of(c.header))
		}
		seen[is] = true
	}
	return nil
}

// readColumn determines the role of a column from its header alone.
func readColumn(cell string) (column, error) {
	header := weburl.Trim(cell)
	folded := fold(header)
	if header == "" {
		return column{role: ignored}, nil
	}
	if name, found := cutPrefix(header, paramPrefix); found {
		return readParamColumn(header, name)
	}
	if name, found := cutPrefix(header, metaPrefix); found {
		if name == "" {
			return column{}, fmt.Errorf("column %q contains no name", excerpt.Of(header))
		}
		return column{role: metadata, header: header, name: name}, nil
	}
	if strings.HasPrefix(folded, optionPrefix) {
		return readOptionColumn(header)
	}
	if folded == "tag" || folded == "tags" {
		return column{role: tags, header: header, name: folded}, nil
	}
	if p, found := parameter.Lookup(header); found && p.Reserved == "" {
		return column{role: param, header: header, name: p.Name, param: p, candidate: true}, nil
	}
	c := column{role: metadata, header: header, name: header}
	if folded == "apps" {
		c = c.own("because " + parameter.Reserved(folded))
	} else if near := parameter.Nearest(header); near != "" {
		c.note = fmt.Sprintf("column %q: not a parameter; did you mean %s?", excerpt.Of(header), near)
	}
	return c, nil
}

// own returns the column as one of the user's own, with the reason.
func (c column) own(reason string) column {
	return column{role: metadata, header: c.header, name: c.header, note: fmt.Sprintf("column %q: not a parameter, %s", excerpt.Of(c.header), reason)}
}

// readParamColumn reads a header such as param:NAME. NAME keeps its case unless it
// is the name of a known parameter.
func readParamColumn(header, name string) (column, error) {
	folded := fold(name)
	switch reason := parameter.Reserved(name); {
	case name == "":
		return column{}, fmt.Errorf("column %q contains no parameter name", header)
	case folded == "url":
		return column{}, fmt.Errorf("column %q: name it url", header)
	case folded == "tag" || folded == "tags":
		return column{}, fmt.Errorf("column %q: name it tags", header)
	case reason != "":
		return column{}, fmt.Errorf("column %q: %s; remove it", header, reason)
	}
	p, known := parameter.Lookup(name)
	if !known {
		p = parameter.Parameter{Name: name, Kind: parameter.Any}
	}
	c := column{role: param, header: header, name: p.Name, param: p}
	c.note = c.sentNote()
	return c, nil
}

// sentNote returns the note on a column that is sent as a parameter.
func (c column) sentNote() string {
	if near := parameter.Nearest(c.name); near != "" {
		return fmt.Sprintf("column %q: sent, but not a documented parameter; did you mean %s?", excerpt.Of(c.header), near)
	}
	return fmt.Sprintf("column %q: sent as parameter %s", excerpt.Of(c.header), c.name)
}

// MetadataColumn returns the header of a column whose values become metadata with
// a name, in a table with a column url: the name itself, or meta:NAME if a column
// of this name would be something else.
func MetadataColumn(name string) string {
	columns, err := readHeader([]string{"url", name}, 0)
	if err == nil {
		if c := columns[1]; c.role == metadata && !c.candidate && c.name == name {
			return name
		}
	}
	return metaPrefix + ":" + name
}

// SecretColumns returns, for each column of a table, whether its values might
// contain credentials. A column of the user's own is included if it has the name
// of a secret parameter.
func SecretColumns(header []string) []bool {
	secret := make([]bool, len(header))
	for i, cell := range header {
		c, err := readColumn(cell)
		secret[i] = err == nil && (c.role == param || c.role == metadata) && parameter.IsSecret(c.name)
	}
	return secret
}

func fold(cell string) string { return strings.ToLower(weburl.Trim(cell)) }

// listColumns lists columns for an error, up to a limit.
func listColumns(header []string) string {
	const most = 20
	names := make([]string, 0, most)
	for _, cell := range header[:min(len(header), most)] {
		names = append(names, fmt.Sprintf("%q", excerpt.Of(strings.TrimSpace(cell))))
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
