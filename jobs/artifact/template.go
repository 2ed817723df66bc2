package artifact

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shotline/jobs"
)

// DefaultTemplate gives every job a name of its own.
const DefaultTemplate = "{job}-{host}.{ext}"

// Limits of a template.
const (
	maxTemplate = 4096 // bytes
	maxFolders  = 8
)

// Template makes the names of files. See the comment of the package.
type Template struct {
	text     string
	parts    [][]piece // of the folders and of the file
	usesShot bool
}

// piece is a part of a template: a text or a variable.
type piece struct {
	text     string // if variable is empty
	name     string // name of the variable, as written
	isColumn bool   // not a variable of the list, and not meta:NAME
	value    func(Values) string
	filters  []func(string) string
}

// ParseTemplate parses a template for a batch with these columns. It returns an
// error if the template has a variable that is neither known nor a column.
func ParseTemplate(text string, columns []string) (Template, error) {
	t, err := parse(text, func(name string) error {
		if columnIndex(columns, name) < 0 {
			return fmt.Errorf("there is no variable and no column {%s}: %s", name, choices(columns))
		}
		return nil
	})
	if err != nil {
		return Template{}, fmt.Errorf("template %q: %w", text, err)
	}
	return t, nil
}

// ParseOpenTemplate parses a template for batches whose columns are not known
// yet. A variable that is not known is the column of that name. It is empty in a
// batch that has no such column.
func ParseOpenTemplate(text string) (Template, error) {
	t, err := parse(text, func(string) error { return nil })
	if err != nil {
		return Template{}, fmt.Errorf("template %q: %w", text, err)
	}
	return t, nil
}

// String returns the text that was parsed.
func (t Template) String() string { return t.text }

// Columns returns the names of columns in the template, as they were written.
func (t Template) Columns() (names []string) {
	for _, part := range t.parts {
		for _, p := range part {
			if p.isColumn && !slices.Contains(names, p.name) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

func parse(text string, checkColumn func(name string) error) (Template, error) {
	t := Template{text: text}
	switch {
	case strings.TrimSpace(text) == "":
		return t, errors.New("it is empty")
	case len(text) > maxTemplate:
		return t, fmt.Errorf("it is longer than %d bytes", maxTemplate)
	case strings.HasPrefix(text, "/"):
		return t, errors.New("it begins with a slash: names are relative to the folder")
	}
	var part []piece
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, `{}/\`)
		if at < 0 {
			part, rest = addText(part, rest), ""
			break
		}
		part = addText(part, rest[:at])
		rest = rest[at:]
		switch {
		case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "}}"):
			part, rest = addText(part, rest[:1]), rest[2:]
		case rest[0] == '/':
			t.parts, part, rest = append(t.parts, part), nil, rest[1:]
		case rest[0] == '\\':
			return t, errors.New(`it contains a backslash: separate folders with /`)
		case rest[0] == '}':
			return t, errors.New("a } has no { before it: write }} for a brace")
		default:
			inside, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return t, errors.New("a { is not closed: write {{ for a brace")
			}
			v, err := variable(inside, checkColumn)
			if err != nil {
				return t, err
			}
			t.usesShot = t.usesShot || v.name == "shot"
			part, rest = append(part, v), after
		}
	}
	t.parts = append(t.parts, part)
	if len(t.parts) > maxFolders+1 {
		return t, fmt.Errorf("it has more than %d folders", maxFolders)
	}
	for _, part := range t.parts {
		if err := checkPart(part); err != nil {
			return t, err
		}
	}
	return t, nil
}

func addText(part []piece, text string) []piece {
	if text == "" {
		return part
	}
	return append(part, piece{text: text})
}

// checkPart returns an error if a part cannot be a name.
func checkPart(part []piece) error {
	text := ""
	for _, p := range part {
		if p.value != nil {
			return nil
		}
		text += p.text
	}
	switch strings.TrimSpace(text) {
	case "":
		return errors.New("a name between two slashes or at the end is empty")
	case ".", "..":
		return fmt.Errorf("it contains %q: names cannot leave the folder", text)
	}
	return nil
}

// variable parses the text between two braces.
func variable(inside string, checkColumn func(name string) error) (piece, error) {
	words := strings.Split(inside, "|")
	p := piece{name: strings.TrimSpace(words[0])}
	meta, isMeta := strings.CutPrefix(p.name, "meta:")
	switch meta = strings.TrimSpace(meta); {
	case p.name == "", isMeta && meta == "":
		return p, fmt.Errorf("{%s} has no name", inside)
	case isMeta:
		p.value = func(v Values) string { return v.meta(meta) }
	case variables[p.name] != nil:
		p.value = variables[p.name]
	default:
		if err := checkColumn(p.name); err != nil {
			return p, err
		}
		p.isColumn, p.value = true, func(v Values) string { return v.column(p.name) }
	}
	for _, word := range words[1:] {
		filter, err := parseFilter(strings.TrimSpace(word))
		if err != nil {
			return p, fmt.Errorf("{%s}: %w", inside, err)
		}
		p.filters = append(p.filters, filter)
	}
	return p, nil
}

func parseFilter(word string) (func(string) string, error) {
	if word == "slug" {
		return slug, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > maxPart {
		return nil, fmt.Errorf("there is no filter %q: want slug, or a number of characters from 1 to %d", word, maxPart)
	}
	return func(text string) string { return firstCharacters(text, n) }, nil
}

// choices lists the variables and the columns for an error.
func choices(columns []string) string {
	const most = 30
	text := "the variables are {" + strings.Join(variableNames(), "} {") + "}"
	if len(columns) == 0 {
		return text + ", and the input has no columns"
	}
	var names []string
	for _, column := range columns[:min(len(columns), most)] {
		if column = strings.TrimSpace(column); column != "" {
			names = append(names, "{"+firstCharacters(cleanPart(column), 60)+"}")
		}
	}
	if len(columns) > most {
		names = append(names, fmt.Sprintf("and %d more", len(columns)-most))
	}
	return text + ", and the columns " + strings.Join(names, " ")
}

// columnIndex returns the index of the column with a name, or -1. An equal name
// takes precedence over one that differs in case.
func columnIndex(columns []string, name string) int {
	if at := slices.Index(columns, name); at >= 0 {
		return at
	}
	return slices.IndexFunc(columns, func(column string) bool { return strings.EqualFold(strings.TrimSpace(column), strings.TrimSpace(name)) })
}

// Name returns the name of a file, separated by slashes. It is safe whatever the
// values are.
func (t Template) Name(v Values) string {
	p := filePath{folders: make([]string, len(t.parts)-1)}
	for i, part := range t.parts[:len(t.parts)-1] {
		if p.folders[i] = cleanPart(join(part, v)); p.folders[i] == "" {
			p.folders[i] = standIn
		}
	}
	p.stem, p.ext = splitExtension(trimEnd(join(t.parts[len(t.parts)-1], v)), v.Extension)
	if p.ext == "" {
		p.ext = "." + v.Extension
	}
	if p.stem = cleanPart(p.stem); p.stem == "" {
		p.stem = standIn
	}
	if v.File.Shot > 1 && !t.usesShot {
		p.suffix = "-" + strconv.Itoa(v.File.Shot)
	}
	return p.String()
}

// separators are the characters that are omitted beside an empty value.
const separators = "-_ "

// join returns the text of a part of a template.
func join(part []piece, v Values) string {
	var b strings.Builder
	missing := false // the value before was empty
	for _, p := range part {
		text := p.text
		if p.value != nil {
			text = p.value(v)
			for _, filter := range p.filters {
				text = filter(text)
			}
			if strings.TrimSpace(text) == "" {
				shorter := strings.TrimRight(b.String(), separators)
				b.Reset()
				b.WriteString(shorter)
				missing = true
				continue
			}
		} else if missing && b.Len() == 0 {
			text = strings.TrimLeft(text, separators)
		}
		missing = false
		b.WriteString(text)
	}
	return b.String()
}

// variableNames returns the names of the variables that are not columns.
func variableNames() []string {
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Values are what the name of a file depends on.
type Values struct {
	Job       jobs.Job
	File      jobs.File
	Columns   []string // of the batch
	Tags      []string // of the batch
	Extension string   // without the dot
}
