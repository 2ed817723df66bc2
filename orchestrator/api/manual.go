package api

import (
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// manual is the contract as the web page shows it.
type manual struct {
	Title, Version, Text string
	Style                template.CSS
	Address              string // of the API
	Groups               []manualGroup
	Webhooks             []manualWebhook
	Headers              []manualField // of webhooks
	Schemas              []manualSchema
}

// manualWebhook is a request that Shotline sends.
type manualWebhook struct{ Name, ID, Text, Link, Example string }

type manualGroup struct {
	Name, Text string
	Routes     []manualRoute
}

type manualRoute struct {
	ID, Method, Path, Summary, Text, Right string
	Params                                 []manualField
	BodyText                               string
	Bodies                                 []manualBody
	Answers                                []manualAnswer
	Problems                               []manualAnswer
	Command, Example                       string // a command that calls the route, and its response
}

type manualField struct {
	Name, In, Type, Link, Text string
	Required                   bool
}

type manualBody struct {
	Type, Link string
	Fields     []manualField // of a form, whose schema has no name
}

type manualAnswer struct{ Status, Text, Type, Link string }

type manualSchema struct {
	Name   string
	Fields []manualField
}

func newManual(doc *huma.OpenAPI, style template.CSS) manual {
	m := manual{Title: doc.Info.Title, Version: doc.Info.Version, Text: doc.Info.Description, Style: style, Address: addressPlaceholder}
	for _, tag := range doc.Tags {
		group := manualGroup{Name: tag.Name, Text: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
			item := doc.Paths[path]
			for _, op := range []*huma.Operation{item.Post, item.Get} {
				if op != nil && slices.Contains(op.Tags, tag.Name) {
					group.Routes = append(group.Routes, newManualRoute(op))
				}
			}
		}
		m.Groups = append(m.Groups, group)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Webhooks)) {
		op := doc.Webhooks[name].Post
		body := op.RequestBody.Content["application/json"]
		_, link := typeOf(body.Schema)
		m.Webhooks = append(m.Webhooks, manualWebhook{name, op.OperationID, op.Summary + ". " + firstSentence(op.Description), link, indented(body.Example)})
		m.Headers = paramFields(op.Parameters) // the same for all webhooks
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		m.Schemas = append(m.Schemas, manualSchema{name, fieldsOf(schemas[name])})
	}
	return m
}

func newManualRoute(op *huma.Operation) manualRoute {
	r := manualRoute{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Text: op.Description, Right: "open"}
	for _, scheme := range op.Security {
		for _, rights := range scheme {
			r.Right = strings.Join(rights, " ")
		}
	}
	r.Params = paramFields(op.Parameters)
	r.Command, r.Example = exampleOf(op)
	if op.RequestBody != nil {
		r.BodyText = op.RequestBody.Description
		for _, name := range slices.Sorted(maps.Keys(op.RequestBody.Content)) {
			schema := op.RequestBody.Content[name].Schema
			body := manualBody{Type: name}
			if _, body.Link = typeOf(schema); body.Link == "" {
				body.Fields = fieldsOf(schema)
			}
			r.Bodies = append(r.Bodies, body)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		a := manualAnswer{Status: status, Text: response.Description}
		var kinds []string
		for _, name := range slices.Sorted(maps.Keys(response.Content)) {
			kinds = append(kinds, name)
			if _, link := typeOf(response.Content[name].Schema); link != "" {
				a.Link = link
			}
		}
		a.Type = strings.Join(kinds, ", ")
		if slices.Equal(kinds, []string{problemType}) {
			r.Problems = append(r.Problems, a)
		} else {
			r.Answers = append(r.Answers, a)
		}
	}
	return r
}

func paramFields(params []*huma.Param) (fields []manualField) {
	for _, p := range params {
		kind, link := typeOf(p.Schema)
		text := p.Description
		switch {
		case len(p.Schema.Enum) > 0:
			text = appendSentence(text, "One of "+values(p.Schema.Enum))
		case p.Schema.Items != nil && len(p.Schema.Items.Enum) > 0:
			text = appendSentence(text, "Each is one of "+values(p.Schema.Items.Enum))
		}
		if p.Schema.Default != nil {
			text = appendSentence(text, "Default: "+plainValue(p.Schema.Default))
		}
		fields = append(fields, manualField{Name: p.Name, In: p.In, Type: kind, Link: link, Text: text, Required: p.Required})
	}
	return fields
}

func fieldsOf(s *huma.Schema) (fields []manualField) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		kind, link := typeOf(property)
		text := property.Description
		if len(property.Enum) > 0 {
			text = appendSentence(text, "One of "+values(property.Enum))
		}
		fields = append(fields, manualField{Name: name, Type: kind, Link: link, Text: text, Required: slices.Contains(s.Required, name)})
	}
	// Required fields come first.
	slices.SortStableFunc(fields, func(a, b manualField) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return fields
}

// typeOf returns the name of a schema's type on the page, and the schema that it
// links to.
func typeOf(s *huma.Schema) (kind, link string) {
	switch {
	case s == nil:
		return "", ""
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return name, name
	case s.Type == huma.TypeArray:
		kind, link = typeOf(s.Items)
		return "list of " + kind, link
	case len(s.AnyOf) > 0:
		var kinds []string
		for i, one := range s.AnyOf {
			kind, of := typeOf(one)
			kinds = append(kinds, kind)
			if i == 0 {
				link = of
			}
		}
		return strings.Join(kinds, " or "), link
	case s.Type == huma.TypeObject && s.AdditionalProperties != nil:
		return "object", ""
	case s.Type == "":
		return "any", ""
	case s.Format == "date-time":
		return "time", ""
	}
	return s.Type, ""
}

// appendSentence appends a sentence to a text.
func appendSentence(text, sentence string) string {
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return strings.TrimSpace(text + " " + sentence + ".")
}

func values(list []any) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

func plainValue(v any) string {
	if list, ok := v.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v)
}

// Safe reports whether the route changes nothing. It selects the color.
func (r manualRoute) Safe() bool { return r.Method == http.MethodGet }
