package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// BatchRequest is the body of a request to create a batch. Params, tags, timeout
// and priority of the batch apply to all its jobs. If a job has its own, they
// take precedence.
type BatchRequest struct {
	BatchOptions
	Jobs []RowRequest `json:"jobs" minItems:"1" nullable:"false"`
}

// RowRequest is one row of a batch. A row that cannot become a job is stored as
// rejected.
type RowRequest struct {
	URL      string        `json:"url" example:"https://example.com/"`
	Params   jobs.Params   `json:"params,omitempty"`
	Tags     []string      `json:"tags,omitempty"`
	Metadata jobs.Metadata `json:"metadata,omitempty" doc:"Your own fields, returned unchanged with the job"`

	CallbackURL string `json:"callback_url,omitempty" doc:"URL that receives the events of this job as signed callbacks"`
	Timeout     string `json:"timeout,omitempty" example:"5m" doc:"How long this screenshot may take, as a Go duration; default: the timeout of the batch"`
	Priority    *int   `json:"priority,omitempty" minimum:"-100" maximum:"100" doc:"Jobs with a higher priority are submitted first; default: the priority of the batch"`
}

// request converts the row. If it cannot become a job, the result is a rejected
// request.
func (r RowRequest) request(checkURL func(string) error) jobs.Request {
	request, _ := csvfile.Fields{URL: r.URL, Params: r.Params, Tags: r.Tags, Metadata: r.Metadata}.Request()
	reject := func(err error) {
		if request.Reject == "" {
			request.Reject = err.Error()
		}
	}
	if r.CallbackURL != "" {
		if err := checkURL(r.CallbackURL); err != nil {
			reject(fmt.Errorf("callback_url: %w", err))
		} else {
			request.CallbackURL = r.CallbackURL
		}
	}
	var err error
	if request.Timeout, err = csvfile.ParseTimeout(r.Timeout); err != nil {
		reject(err)
	}
	if r.Priority != nil {
		if err := csvfile.CheckPriority(*r.Priority); err != nil {
			reject(err)
		} else {
			request.Priority = r.Priority
		}
	}
	return request
}

// BatchOptions are the fields of a batch besides its jobs.
type BatchOptions struct {
	Params      jobs.Params `json:"params,omitempty" doc:"Create parameters for all jobs"`
	Tags        []string    `json:"tags,omitempty" doc:"Tags for all jobs, placed before their own"`
	Apps        []jobs.App  `json:"apps,omitempty" doc:"Connected apps to notify; default: the apps of the server"`
	CallbackURL string      `json:"callback_url,omitempty" doc:"URL that receives the events of the batch as signed callbacks"`
	Timeout     string      `json:"timeout,omitempty" example:"10m" doc:"How long each screenshot may take, as a Go duration"`
	Priority    int         `json:"priority,omitempty" minimum:"-100" maximum:"100" doc:"Jobs with a higher priority are submitted first"`
	Budget      *float64    `json:"budget,omitempty" minimum:"0" doc:"Credits that the batch may cost: it is paused before it costs more"`
	Source      string      `json:"source,omitempty" doc:"Where the rows come from, as a note for people"`
}

// RowOptions are the options of a CSV, from the query or from the fields of a
// form.
type RowOptions struct {
	Param       []string `query:"param,explode" doc:"NAME=VALUE: a create parameter for all rows"`
	Tag         []string `query:"tag" doc:"A tag for all rows"`
	App         []string `query:"app,explode" doc:"ID or ID=path-template of a connected app to notify"`
	CallbackURL string   `query:"callback_url"`
	Timeout     string   `query:"timeout" doc:"A Go duration"`
	Priority    string   `query:"priority" doc:"-100 to 100"`
	Budget      string   `query:"budget" doc:"Credits that the batch may cost: it is paused before it costs more"`
	Source      string   `query:"source" doc:"Where the rows come from, as a note for people; default in a form: the name of the file"`
	URLColumn   string   `query:"url_column" doc:"Name or number of the column with the URLs; default: its name or its content decides"`
}

// isSet reports whether any option is set.
func (p RowOptions) isSet() bool {
	return len(p.Param)+len(p.Tag)+len(p.App) > 0 || p.CallbackURL+p.Timeout+p.Priority+p.Budget+p.Source+p.URLColumn != ""
}

// options parses the options. At is their location, such as query.
func (p RowOptions) options(at string) (o BatchOptions, err error) {
	o = BatchOptions{Tags: p.Tag, CallbackURL: p.CallbackURL, Timeout: p.Timeout, Source: p.Source}
	for _, given := range p.Param {
		name, text, found := strings.Cut(given, "=")
		if !found || name == "" {
			return o, invalid(at+".param", errors.New("param: want NAME=VALUE"))
		}
		if o.Params == nil {
			o.Params = jobs.Params{}
		}
		o.Params[name] = text
	}
	for _, given := range p.App {
		app := jobs.ParseApp(given)
		if strings.Contains(app.ID, ",") { // only the path template may contain a comma
			return o, invalid(at+".app", errors.New("app: want one ID; repeat app for several IDs"))
		}
		o.Apps = append(o.Apps, app)
	}
	if p.Priority != "" {
		if o.Priority, err = strconv.Atoi(p.Priority); err != nil {
			return o, invalid(at+".priority", errors.New("priority: want a whole number"))
		}
	}
	if p.Budget != "" {
		if o.Budget, err = jobs.ParseBudget(p.Budget); err != nil {
			return o, invalid(at+".budget", fmt.Errorf("budget: %w", err))
		}
	}
	return o, nil
}

// batchSpec checks the options and returns the spec of a new batch. At is their
// location, such as body.
func (s *server) batchSpec(o BatchOptions, at string) (jobs.BatchSpec, error) {
	spec, err := s.newSpec(commonOptions{o.CallbackURL, o.Timeout, o.Priority}, at)
	if err != nil {
		return spec, err
	}
	if err := jobs.CheckBudget(o.Budget); err != nil {
		return spec, invalid(at+".budget", fmt.Errorf("budget: %w", err))
	}
	spec.Budget = o.Budget
	var flaws []*csvfile.FieldError
	if spec.Params, flaws = csvfile.CheckParams(o.Params); len(flaws) > 0 {
		return spec, invalid(at+".params."+flaws[0].Field, flaws[0])
	}
	if spec.Tags, flaws = csvfile.CheckTags(o.Tags); len(flaws) > 0 {
		return spec, invalid(at+".tags"+flaws[0].Field, flaws[0])
	}
	for i, app := range o.Apps {
		if strings.TrimSpace(app.ID) == "" {
			return spec, invalid(fmt.Sprintf("%s.apps[%d].id", at, i), errors.New("apps: id is missing"))
		}
	}
	spec.Apps, spec.Source = o.Apps, shortened(o.Source)
	if spec.Source == "" {
		spec.Source = "HTTP API"
	}
	return spec, nil
}

// addToHash makes the hash of a body depend on the options, too.
func (o BatchOptions) addToHash(s *spool) error {
	canonical, err := json.Marshal(o)
	s.addToHash(string(canonical))
	return err
}

// batchBody describes the content types of a batch.
func batchBody(registry huma.Registry) *huma.RequestBody {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	list := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Description: doc}
	}
	return &huma.RequestBody{
		Required:    true,
		Description: "A CSV has a column with the URLs, such as url, or no header and one URL per line. JSON Lines have a URL or an object such as those in jobs in each line. Both can be compressed with gzip. Their options are query parameters. In a form, the field file contains such a list, a sitemap or an .xlsx workbook, and fields with the names of the query parameters contain its options.",
		Content: map[string]*huma.MediaType{
			"application/json":     {Schema: registry.Schema(batchRequestType, true, "")},
			"text/csv":             {Schema: text("With a header line, or one URL per line"), Example: "url,width,ref\nhttps://example.com/,1280,A-17\n"},
			"application/x-ndjson": {Schema: text("An object or a URL in each line"), Example: "{\"url\":\"https://example.com/\",\"params\":{\"width\":1280},\"ref\":\"A-17\"}\n"},
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"file"},
				Properties: map[string]*huma.Schema{
					"file":         {Type: huma.TypeString, Format: "binary", Description: "The CSV or another list of URLs"},
					"param":        list("NAME=VALUE: a create parameter for all rows"),
					"tag":          list("A tag for all rows"),
					"app":          list("ID or ID=path-template of a connected app to notify"),
					"callback_url": text("URL that receives the events of the batch as signed callbacks"),
					"timeout":      text("A Go duration"),
					"priority":     text("-100 to 100"),
					"budget":       text("Credits that the batch may cost: it is paused before it costs more"),
					"url_column":   text("Name or number of the column with the URLs; default: its name or its content decides"),
					"source":       text("Where the rows come from, as a note for people; default: the name of the file"),
				},
			}},
		},
	}
}
