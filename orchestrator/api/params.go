package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/client/parameter"
	"shotline/jobs"
)

// maxNotes is the maximum number of notes in a response.
const maxNotes = 100

// paramNotes returns notes on names that resemble a create parameter. Field is
// the name of the field that contains them.
func paramNotes(field string, params jobs.Params) (notes []string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if advice := parameter.Advice(name); advice != "" && len(notes) < maxNotes {
			separator := "."
			if field == "param" { // param=NAME=VALUE in a query or a form
				separator = " "
			}
			notes = append(notes, fmt.Sprintf("%s%s%s: %s", field, separator, shortened(name), advice))
		}
	}
	return notes
}

// paramsSchema stands for jobs.Params in the contract.
type paramsSchema map[string]any

// Schema implements huma.SchemaProvider. It describes each known parameter, but
// accepts any value, so that errors in values are those of the table of
// parameters.
func (paramsSchema) Schema(registry huma.Registry) *huma.Schema {
	const name = "Params"
	known := map[string]*huma.Schema{}
	for _, p := range parameter.All() {
		if p.Reserved == "" {
			known[p.Name] = &huma.Schema{Description: describeParam(p)}
		}
	}
	registry.Map()[name] = &huma.Schema{
		Type: huma.TypeObject, Properties: known, AdditionalProperties: true,
		Description: "Create parameters of the vendor. Other ones are passed through unchanged. A value can also be given as text.",
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// describeParam describes a parameter for the contract.
func describeParam(p parameter.Parameter) string {
	text := strings.ToUpper(p.Kind.String()[:1]) + p.Kind.String()[1:]
	if p.Values != nil {
		text += " (" + strings.Join(p.Values, ", ") + ")"
	}
	text += ": " + p.Note
	if p.Newer != "" {
		text += "; older name of " + p.Newer
	}
	return text
}
