package api

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

// sheetPolicy is the Content-Security-Policy of a contact sheet. It allows inline
// styles, and images from any address, because the vendor chooses where they are
// stored.
const sheetPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' http: https: data:; frame-ancestors 'none'; " +
	"sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"

type batchSummary struct {
	BatchPath
	Format string `query:"format" enum:"json,csv,html" doc:"Overrides the Accept header"`
	Page   int    `query:"page" minimum:"1" maximum:"1000000" default:"1" doc:"Page of the HTML, with 500 rows each"`
	Accept string `header:"Accept" hidden:"true"`
}

type batchResults struct {
	BatchPath
	Format    string   `query:"format" enum:"csv,tsv,ndjson,jsonl,xlsx" doc:"Overrides the Accept header; default: csv, with the delimiter, byte order mark and line ends of the input. ndjson and jsonl are the same"`
	State     []string `query:"state" enum:"queued,submitting,pending,done,failed,timed_out,canceled,duplicate,rejected" doc:"Only rows in one of these states"`
	Delimiter string   `query:"delimiter" enum:"comma,semicolon,pipe,tab" doc:"With csv: separates the cells; default: as in the input"`
	Excel     bool     `query:"excel" doc:"With csv and tsv: write a byte order mark, CRLF line ends and times as Excel reads them"`
	Accept    string   `header:"Accept" hidden:"true"`
}

// resultKind is a format of results.
type resultKind struct {
	name, ending, media string
	format              summary.Format
}

// resultKinds lists the formats of results. The first is the default. Only the
// first of those with the same media type is chosen by it.
var resultKinds = []resultKind{
	{"csv", ".csv", "text/csv", summary.CSV},
	{"tsv", ".tsv", "text/tab-separated-values", summary.TSV},
	{"ndjson", ".ndjson", "application/x-ndjson", summary.JSONL},
	{"jsonl", ".jsonl", "application/x-ndjson", summary.JSONL},
	{"xlsx", ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", summary.XLSX},
}

// resultKindOf returns the format from the query, or else the first known one in
// the Accept header.
func resultKindOf(query, accept string) resultKind {
	for _, kind := range resultKinds {
		if kind.name == query {
			return kind
		}
	}
	for media := range acceptedTypes(accept) {
		for _, kind := range resultKinds {
			if kind.media == media {
				return kind
			}
		}
	}
	return resultKinds[0]
}

// acceptedTypes yields the media types in an Accept header, in their order.
func acceptedTypes(accept string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for media := range strings.SplitSeq(accept, ",") {
			media, _, _ = strings.Cut(media, ";")
			if !yield(strings.ToLower(strings.TrimSpace(media))) {
				return
			}
		}
	}
}

// report is a response that is streamed.
type report struct {
	Type   string `header:"Content-Type"`
	Name   string `header:"Content-Disposition"`
	Policy string `header:"Content-Security-Policy"`
	Body   func(huma.Context)
}

func (s *server) reportRoutes() {
	sum := operation(http.MethodGet, "/v1/batches/{id}/summary", "getSummary", "batches", "Get the summary of a batch", http.StatusNotFound, http.StatusConflict)
	sum.Description = "If the batch has not finished, the summary shows its current state. The HTML is the contact sheet, 500 rows a page."
	sum.Responses = plainResponse(http.StatusOK, "The summary", "text/csv", "text/html")
	sum.Responses["200"].Content["application/json"] = &huma.MediaType{Schema: s.api.OpenAPI().Components.Schemas.Schema(summaryType, true, "")}
	huma.Register(s.api, sum, s.getSummary)

	results := operation(http.MethodGet, "/v1/batches/{id}/results", "getResults", "batches", "Get every row with its result, in the order of the input", http.StatusNotFound, http.StatusConflict)
	var media []string
	for _, kind := range resultKinds {
		media = append(media, kind.media)
	}
	results.Responses = plainResponse(http.StatusOK, "The rows", media...)
	huma.Register(s.api, results, s.getResults)
}

func (s *server) getSummary(ctx context.Context, in *batchSummary) (*report, error) {
	if _, err := s.importedBatch(ctx, in.ID); err != nil {
		return nil, err
	}
	result, err := summary.Load(ctx, s.Store, in.ID, s.Now())
	if err != nil {
		return nil, s.failed(ctx, "summarize batch "+in.ID, err, "batch", in.ID)
	}
	if readOnly(ctx) {
		result = shieldSummary(result)
	}
	switch summaryFormat(in.Format, in.Accept) {
	case "csv":
		return s.report(ctx, in.ID, "text/csv; charset=utf-8", "", func(w io.Writer) error { return summary.WriteCSV(w, result) }), nil
	case "html":
		imageOf := func(j jobs.Job) (string, error) {
			if j.ImageURL == "" {
				return "../../jobs/" + j.ID.String() + "/image", nil // relative to this route
			}
			return j.ImageURL, nil
		}
		pageLink := func(page int) string { return "?format=html&page=" + strconv.Itoa(page) }
		sheet := summary.Sheet{Image: imageOf, Page: in.Page, PageLink: pageLink}
		answer := s.report(ctx, in.ID, "text/html; charset=utf-8", "", func(w io.Writer) error {
			return summary.WriteHTML(ctx, w, s.visibleStore(ctx), result, sheet)
		})
		answer.Policy = sheetPolicy
		return answer, nil
	}
	return s.report(ctx, in.ID, "application/json", "", func(w io.Writer) error { return summary.WriteJSON(w, result) }), nil
}

// summaryFormat returns the format from the query, or else the first known one in
// the Accept header.
func summaryFormat(query, accept string) string {
	if query != "" {
		return query
	}
	for media := range acceptedTypes(accept) {
		switch media {
		case "text/html":
			return "html"
		case "text/csv":
			return "csv"
		case "application/json", "*/*":
			return "json"
		}
	}
	return "json"
}

func (s *server) getResults(ctx context.Context, in *batchResults) (*report, error) {
	b, err := s.importedBatch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	kind := resultKindOf(in.Format, in.Accept)
	results := summary.Results{Format: kind.format, Excel: in.Excel}
	results.Delimiter, _ = summary.ParseDelimiter(in.Delimiter)
	for _, state := range in.State {
		results.States = append(results.States, jobs.State(state))
	}
	err = results.Check()
	if err == nil {
		err = results.CheckRows(b)
	}
	var wrong *summary.OptionError
	if errors.As(err, &wrong) {
		return nil, invalid("query."+wrong.Option, wrong)
	}
	media := kind.media
	if strings.HasPrefix(media, "text/") {
		media += "; charset=utf-8"
	}
	return s.report(ctx, in.ID, media, in.ID+kind.ending, func(w io.Writer) error { return results.Write(ctx, w, s.visibleStore(ctx), in.ID) }), nil
}

// report returns a response that write streams. If write fails, the connection is
// aborted, so that the incomplete report does not look complete.
func (s *server) report(ctx context.Context, batch, kind, name string, write func(io.Writer) error) *report {
	answer := &report{Type: kind, Body: func(out huma.Context) {
		liftWriteDeadline(ctx)
		out.SetStatus(http.StatusOK)
		if err := write(newDeadlineWriter(ctx, out.BodyWriter())); err != nil {
			if ctx.Err() == nil && !errors.Is(err, http.ErrHandlerTimeout) {
				s.Logger.Warn("report interrupted", "batch", batch, "path", out.URL().Path, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}}
	if name != "" {
		answer.Name = `attachment; filename="` + name + `"`
	}
	return answer
}
