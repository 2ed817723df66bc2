package api

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Query parameters and headers are checked here, before any operation sees them.
// They must agree with the parameters in the contract:
//
//   - An array accepts repeated values and comma-separated ones, with the same
//     meaning: state=done&state=failed is state=done,failed. If it is marked as
//     literal (in Go: explode in the tag of its field), a comma is part of the
//     value.
//   - An object accepts NAME.MEMBER=VALUE and NAME[MEMBER]=VALUE, each member
//     once.
//   - Every other parameter accepts one value.
//   - A header with one value may be repeated only with the same value.
//
// A body is refused if the operation has none, because its contents would be
// ignored.

const (
	styleDeepObject = "deepObject"
	// commas is an extension of array parameters. It is literal if a comma does not
	// separate values.
	commas        = "x-commas"
	commasLiteral = "literal"
)

// describeParameters completes the parameters in the contract once all operations
// are registered. The notation of huma describes how huma reads a request, which
// is the form that checkParameters produces.
func describeParameters(doc *huma.OpenAPI) {
	for _, op := range operations(doc) {
		for _, p := range op.Parameters {
			explode := true // use a new pointer, because huma reads through its own
			if p.In == "query" && p.Style == styleDeepObject {
				p.Explode = &explode // required by this style
			}
			if p.In != "query" || p.Schema == nil || p.Schema.Type != huma.TypeArray {
				continue
			}
			how := "Repeat the parameter or separate values by commas"
			if p.Explode != nil && *p.Explode {
				how = "Repeat the parameter for several values; a comma is part of a value"
				p.Extensions = map[string]any{commas: commasLiteral}
			}
			p.Style, p.Explode, p.Description = "form", &explode, appendSentence(p.Description, how)
		}
	}
}

// operations returns all operations of the document.
func operations(doc *huma.OpenAPI) (all []*huma.Operation) {
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	return all
}

// checkedContext presents the query and the headers to an operation in one normal
// form.
type checkedContext struct {
	humaContext
	query  string
	header map[string]string // headers that may have several lines
}

type humaContext huma.Context // embedded under this name, because huma.Context would hide its method Context

func (c *checkedContext) Unwrap() huma.Context { return c.humaContext }

func (c *checkedContext) URL() url.URL {
	u := c.humaContext.URL()
	u.RawQuery = c.query
	return u
}

func (c *checkedContext) Query(name string) string {
	values, _ := url.ParseQuery(c.query) // the query was encoded by url.Values
	return values.Get(name)
}

func (c *checkedContext) Header(name string) string {
	if value, known := c.header[http.CanonicalHeaderKey(name)]; known {
		return value
	}
	return c.humaContext.Header(name)
}

// checkParameters is a middleware of all operations.
func (s *server) checkParameters(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if op.SkipValidateParams { // routes for monitoring, which have no parameters
		next(ctx)
		return
	}
	request, _ := humago.Unwrap(ctx)
	checked := &checkedContext{humaContext: ctx, header: map[string]string{}}
	query, flaws := checkQuery(op.Parameters, request.URL.RawQuery)
	checked.query = query.Encode()
	for _, p := range op.Parameters {
		if p.In != "header" {
			continue
		}
		values := request.Header.Values(p.Name)
		if p.Schema != nil && p.Schema.Type == huma.TypeArray {
			checked.header[http.CanonicalHeaderKey(p.Name)] = strings.Join(values, ",")
			continue
		}
		flaws = append(flaws, checkHeader(p.Name, values)...)
	}
	if op.RequestBody != nil {
		flaws = append(flaws, checkHeader("Content-Type", request.Header.Values("Content-Type"))...)
	} else if hasBody(request) {
		flaws = append(flaws, &huma.ErrorDetail{Location: "body", Message: "this route takes no body: leave it out" + queryHint(op)})
	}
	if len(flaws) > 0 {
		_ = huma.WriteErr(s.api, ctx, http.StatusUnprocessableEntity, "validation failed", flaws...) // fails only if the client disconnected
		return
	}
	next(checked)
}

// hasBody reports whether a request has a non-empty body. If its length is not
// known, hasBody reads a byte.
func hasBody(request *http.Request) bool {
	if request.ContentLength >= 0 {
		return request.ContentLength > 0
	}
	_, err := io.ReadFull(request.Body, make([]byte, 1))
	return !errors.Is(err, io.EOF)
}

// queryHint returns a hint if the route has query parameters, which the client
// might have put into the body.
func queryHint(op *huma.Operation) string {
	if slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" }) {
		return ", and put the options into the query"
	}
	return ""
}

// checkHeader checks a header that has one value. Proxies may repeat it
// unchanged.
func checkHeader(name string, values []string) []error {
	for _, value := range values {
		if value != values[0] {
			return []error{&huma.ErrorDetail{Location: "header." + name, Message: "given more than once, with different values: want one"}}
		}
	}
	return nil
}

// checkQuery returns the query in the form that huma reads, or its errors.
func checkQuery(params []*huma.Param, raw string) (checked url.Values, flaws []error) {
	flaw := func(name, message string) {
		flaws = append(flaws, &huma.ErrorDetail{Location: "query." + name, Message: message})
	}
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, []error{&huma.ErrorDetail{Location: "query", Message: "cannot be decoded: " + reasonOf(err)}}
	}
	checked = url.Values{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		values := given[name]
		p, member := findParameter(params, name)
		switch {
		case p == nil:
			flaw(name, "unknown query parameter"+suggestion(params, name))
		case p.Style == styleDeepObject:
			name = p.Name + "[" + member + "]"
			checked[name] = append(checked[name], values...)
			if len(checked[name]) > 1 {
				flaw(p.Name+"."+member, "given more than once: want one value")
			}
		case p.Schema == nil || p.Schema.Type != huma.TypeArray:
			if checked[name] = values; len(values) > 1 {
				flaw(name, fmt.Sprintf("given %d times: want one value", len(values)))
			}
		case p.Extensions[commas] == commasLiteral:
			checked[name] = values
		default:
			checked[name] = []string{strings.Join(splitList(values), ",")}
		}
	}
	return checked, flaws
}

// splitList returns the values of an array, whether they are repeated or
// separated by commas. An empty text contains no values. An empty value between
// commas is kept, so that it is reported as invalid.
func splitList(given []string) (values []string) {
	for _, text := range given {
		if text == "" {
			continue
		}
		for value := range strings.SplitSeq(text, ",") {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// findParameter returns the parameter with this name in a query. If the parameter
// is an object, it also returns the member.
func findParameter(params []*huma.Param, name string) (p *huma.Param, member string) {
	for _, p := range params {
		if p.In != "query" {
			continue
		}
		if p.Style != styleDeepObject {
			if p.Name == name {
				return p, ""
			}
			continue
		}
		rest, found := strings.CutPrefix(name, p.Name)
		if member, dotted := strings.CutPrefix(rest, "."); found && dotted && member != "" {
			return p, member
		}
		if member, bracketed := strings.CutPrefix(rest, "["); found && bracketed {
			if member, closed := strings.CutSuffix(member, "]"); closed && member != "" {
				return p, member
			}
		}
	}
	return nil, ""
}

// members returns the members of an object in a checked query.
func members(query url.Values, object string) map[string]string {
	found := map[string]string{}
	for name, values := range query {
		if member, ok := strings.CutPrefix(name, object+"["); ok {
			found[strings.TrimSuffix(member, "]")] = values[0]
		}
	}
	return found
}

// suggestion returns the parameter that was probably meant, or the list of all
// parameters.
func suggestion(params []*huma.Param, name string) string {
	var known []string
	for _, p := range params {
		if p.In != "query" {
			continue
		}
		shown := p.Name
		if p.Style == styleDeepObject {
			shown += ".NAME"
		}
		known = append(known, shown)
	}
	slices.Sort(known)
	best, least := "", 3 // at most two letters differ
	for _, candidate := range known {
		if d := distance(strings.ToLower(name), candidate); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	switch {
	case best != "":
		return ", did you mean " + best + "?"
	case len(known) == 0:
		return ": this route has none"
	}
	return ": want one of " + strings.Join(known, ", ")
}

// distance returns the number of letters to insert, delete or replace to get from
// a to b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a) // no parameter has such a long name
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// reasonOf describes an error of url.ParseQuery without the text of the query.
func reasonOf(err error) string {
	var escape url.EscapeError
	if errors.As(err, &escape) {
		return "want two hexadecimal digits after each %"
	}
	return "want NAME=VALUE pairs separated by &"
}
