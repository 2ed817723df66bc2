package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/urfave/cli/v2"
)

// setting is a key of a configuration file. Its values are unparsed.
type setting struct {
	name   string
	line   int
	values []string // empty if the key has no value
}

// loadConfigFile sets flags from the file of --config if neither the command line
// nor the environment has set them. A key that is not a flag of any command is an
// error. Keys that belong to another command, or have no value, are skipped.
// Errors never quote a value, because it might be a secret.
func loadConfigFile(c *cli.Context) error {
	path := c.String(configFlag.Name)
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return badUsage("--config: %w", err)
	}
	settings, err := readSettings(data)
	if err != nil {
		return badUsage("--config %s: %w", path, err)
	}
	for _, s := range settings {
		if err := fillFlag(c, s); err != nil {
			return badUsage("--config %s: line %d: %w", path, s.line, err)
		}
	}
	return nil
}

// fillFlag sets the flag that a setting names, unless the flag is already set.
func fillFlag(c *cli.Context, s setting) error {
	flag := findSetting(c.Command.Flags, s.name)
	if flag == nil {
		if slices.ContainsFunc(c.App.Commands, func(other *cli.Command) bool { return findFlag(other.Flags, s.name) != nil }) {
			return nil
		}
		if len(s.name) > 40 || strings.Trim(s.name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("key is not the name of a flag")
		}
		return fmt.Errorf("%q is not a flag", s.name)
	}
	if c.IsSet(s.name) {
		return nil
	}
	if !isRepeatable(flag) && len(s.values) > 1 {
		return fmt.Errorf("%s takes one value, not %d", s.name, len(s.values))
	}
	for _, value := range s.values {
		err := c.Set(s.name, trimmed(s.name, value))
		if _, isBool := flag.(*cli.BoolFlag); isBool && err != nil {
			err = errors.New("want true or false")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// readSettings parses YAML: one mapping from names to scalars or lists of
// scalars. It keeps the text of each scalar, so that a secret that consists of
// digits is not changed by a conversion to a number.
func readSettings(data []byte) ([]setting, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, errors.New("the file is in UTF-16: save it as UTF-8")
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\ufeff")), 0)
	if err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false)) // without an excerpt of the file
	}
	var settings []setting
	for i, doc := range file.Docs {
		if i > 0 {
			return nil, errors.New("more than one YAML document")
		}
		if doc.Body == nil {
			continue
		}
		mapping, ok := doc.Body.(*ast.MappingNode)
		if !ok {
			return nil, errors.New("want flag names as keys: NAME: VALUE")
		}
		for _, pair := range mapping.Values {
			s := setting{line: pair.Key.GetToken().Position.Line}
			if s.name, ok = scalarText(pair.Key); !ok {
				return nil, fmt.Errorf("line %d: key is not a name", s.line)
			}
			if s.values, ok = scalarTexts(pair.Value); !ok {
				return nil, fmt.Errorf("line %d: want a text, a number, true or false, or a list of these", s.line)
			}
			settings = append(settings, s)
		}
	}
	return settings, nil
}

func scalarTexts(node ast.Node) (texts []string, ok bool) {
	list := []ast.Node{node}
	if sequence, isList := node.(*ast.SequenceNode); isList {
		list = sequence.Values
	}
	for _, item := range list {
		if _, empty := item.(*ast.NullNode); empty {
			continue
		}
		text, ok := scalarText(item)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

func scalarText(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
