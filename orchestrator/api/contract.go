package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/summary"
)

// newContract returns the OpenAPI document without operations. Registering an
// operation adds it to the document.
func newContract(version string) huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	schemas.RegisterTypeAlias(reflect.TypeFor[jobs.Metadata](), reflect.TypeFor[metadataSchema]())
	schemas.RegisterTypeAlias(reflect.TypeFor[jobs.Params](), reflect.TypeFor[paramsSchema]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Shotline", Version: version,
				Description: "Screenshots in bulk, asynchronously: every job ends exactly once. Errors are problem documents (RFC 9457). Times are RFC 3339. Durations are Go durations, such as 90s or 10m.",
			},
			Servers: []*huma.Server{{URL: addressPlaceholder, Description: "The address at which this document was read"}},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {
					Type: "http", Scheme: "bearer",
					Description: "A token from `shotline token`. A read-only token is for GET requests only. If no tokens are configured, which is possible only on a loopback address, no token is needed.",
				}},
			},
			Tags: []*huma.Tag{
				{Name: "jobs", Description: "One URL, one screenshot."},
				{Name: "batches", Description: "Jobs that are created together and summarized together."},
				{Name: "events", Description: "The durable log of events."},
				{Name: "callbacks", Description: "Signed POSTs of events to your own programs."},
				{Name: "inbox", Description: "Webhooks of the vendor."},
				{Name: "operations", Description: "Health, metrics and this contract."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{redactProblem},
	}
}

// metadataSchema stands for jobs.Metadata in the contract, because package jobs
// does not know huma.
type metadataSchema map[string]any

// Schema implements huma.SchemaProvider.
func (metadataSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeString, Nullable: true}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean},
	}}}
}

// jsonFormat is the format of huma, except that a number that is too large for a
// float64 is not a syntax error if huma decodes a body to any. Metadata may
// contain such numbers.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		err := json.Unmarshal(data, v)
		shape, isAny := v.(*any)
		var large *json.UnmarshalTypeError
		if !isAny || !errors.As(err, &large) {
			return err
		}
		exact := json.NewDecoder(bytes.NewReader(data))
		exact.UseNumber()
		if err := exact.Decode(shape); err != nil {
			return err
		}
		*shape = toFloats(*shape)
		return nil
	},
}

// toFloats converts numbers to floats. Numbers that are too large become
// infinite.
func toFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64() // infinite if the number is out of range
		return f
	case []any:
		for i := range v {
			v[i] = toFloats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = toFloats(v[name])
		}
	}
	return v
}

// schemaName returns the name of the schema of a type.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if name == "ErrorModel" {
		return "Problem"
	}
	return name
}

// commonErrors can occur in every operation that requires a token.
var commonErrors = []int{http.StatusUnauthorized, http.StatusMisdirectedRequest, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}

// operation returns the description of a route.
func operation(method, path, id, tag, summary string, errors ...int) huma.Operation {
	right := "ro"
	errors = slices.Concat(commonErrors, errors)
	if method != http.MethodGet {
		right = "rw"
		errors = append(errors, http.StatusForbidden)
	}
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{tag},
		Security: []map[string][]string{{"token": {right}}},
		Errors:   errors,
	}
}

// plainResponse describes a response that is not JSON.
func plainResponse(status int, description string, types ...string) map[string]*huma.Response {
	answer := &huma.Response{Description: description, Content: map[string]*huma.MediaType{}}
	for _, name := range types {
		schema := &huma.Schema{Type: huma.TypeString}
		if !strings.HasPrefix(name, "text/") {
			schema.Format = "binary"
		}
		answer.Content[name] = &huma.MediaType{Schema: schema}
	}
	return map[string]*huma.Response{strconv.Itoa(status): answer}
}

// The types of responses and bodies that are described by hand.
var (
	jobType          = reflect.TypeFor[jobjson.Job]()
	createdJobType   = reflect.TypeFor[CreatedJob]()
	reportType       = reflect.TypeFor[Report]()
	summaryType      = reflect.TypeFor[summary.Summary]()
	acceptedType     = reflect.TypeFor[jobjson.Accepted]()
	streamEventType  = reflect.TypeFor[StreamEvent]()
	gapType          = reflect.TypeFor[Gap]()
	batchRequestType = reflect.TypeFor[BatchRequest]()
)

// addResponse describes a second success response of an operation.
func (s *server) addResponse(op *huma.Operation, status int, description string, body reflect.Type) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	schema := s.api.OpenAPI().Components.Schemas.Schema(body, true, "")
	op.Responses[strconv.Itoa(status)] = &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}},
	}
}
