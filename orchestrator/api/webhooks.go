package api

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
)

// The callbacks that Shotline makes are in the contract under webhooks: one for
// each type of event, with its body and its headers.

// JobCallback is the body of a callback about a job.
type JobCallback struct {
	Type      jobs.EventType `json:"type" doc:"What happened"`
	Timestamp time.Time      `json:"timestamp" doc:"When it happened"`
	Data      jobs.JobForm   `json:"data" doc:"The job. Once it has gone on, because it was retried say, only what the event itself knows"`
}

// BatchCallback is the body of a callback about a batch.
type BatchCallback struct {
	Type      jobs.EventType `json:"type" doc:"What happened"`
	Timestamp time.Time      `json:"timestamp" doc:"When it happened"`
	Data      CalledBatch    `json:"data"`
}

// CalledBatch is a batch in a callback about it.
type CalledBatch struct{ jobs.BatchForm }

// Schema implements huma.SchemaProvider: a batch that has gone on is told of by
// three fields alone.
func (CalledBatch) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[jobs.BatchForm](), true, ""), r.Schema(reflect.TypeFor[PastBatch](), true, "")}}
}

// PastBatch is what is told of a batch that has gone on since: its next event tells
// of it as a whole.
type PastBatch struct {
	BatchID  string          `json:"batch_id" example:"b7k2m9q4x1"`
	State    jobs.BatchState `json:"state" enum:"finished,paused"`
	Revision int             `json:"revision" doc:"That the event is about"`
}

// ForeignCallback is the body of a callback about a screenshot that no job of ours
// asked for.
type ForeignCallback struct {
	Type      jobs.EventType `json:"type" doc:"What happened"`
	Timestamp time.Time      `json:"timestamp" doc:"When it happened"`
	Data      jobs.Foreign   `json:"data" doc:"What the vendor's webhook said; empty once it is not kept any more"`
}

// happened says of each type of event what it tells.
var happened = map[jobs.EventType]string{
	jobs.EventJobDone:       "A job is done: its picture is there",
	jobs.EventJobFailed:     "A job failed",
	jobs.EventJobTimedOut:   "A job timed out: the vendor has no result for it",
	jobs.EventJobLate:       "A job that had ended got a result after all",
	jobs.EventJobCorrected:  "A job changed its result: of two contradictory webhooks the vendor confirmed the other one",
	jobs.EventJobCanceled:   "A job was canceled",
	jobs.EventJobRetried:    "An ended job is queued again",
	jobs.EventBatchFinished: "All jobs of a batch have ended",
	jobs.EventBatchRevised:  "A finished batch got late results",
	jobs.EventBatchPaused:   "An error paused a batch: pause_reason says which",
	jobs.EventForeign:       "A webhook came for a screenshot that no job of ours asked for",
}

// describeWebhooks adds them to the contract.
func describeWebhooks(doc *huma.OpenAPI) {
	doc.Webhooks = map[string]*huma.PathItem{}
	for _, kind := range jobs.EventTypes {
		summary := happened[kind]
		if summary == "" {
			summary = "The event " + string(kind)
		}
		doc.Webhooks[string(kind)] = &huma.PathItem{Post: webhook(doc.Components.Schemas, kind, summary)}
	}
}

// calledBy says who is called for an event.
func calledBy(kind jobs.EventType) (body reflect.Type, asks string) {
	switch noun, _, _ := strings.Cut(string(kind), "."); noun {
	case "job":
		return reflect.TypeFor[JobCallback](), "Sent to the callback_url of the job, or of its row in a batch, and to sinks."
	case "batch":
		return reflect.TypeFor[BatchCallback](), "Sent to the callback_url of the batch, and to sinks."
	}
	return reflect.TypeFor[ForeignCallback](), "Sent to sinks that name this type."
}

func webhook(schemas huma.Registry, kind jobs.EventType, summary string) *huma.Operation {
	body, asks := calledBy(kind)
	text := func(name, doc, example string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Required: true, Description: doc, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
	}
	words := strings.FieldsFunc(string(kind), func(r rune) bool { return r == '.' || r == '_' })
	id := "on"
	for _, word := range words {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	return &huma.Operation{
		Method: http.MethodPost, OperationID: id, Tags: []string{"callbacks"}, Summary: summary,
		Description: asks + " Signed as Standard Webhooks asks (https://www.standardwebhooks.com): verify it with one of its libraries. It comes at least once and maybe out of order, always with the same webhook-id and the same bytes. A sink of the format slack gets a text instead of this body.",
		Parameters: []*huma.Param{
			text("webhook-id", "The event: the same at every attempt and for every target", "evt_1772344800000_42"),
			text("webhook-timestamp", "Of this attempt, in seconds since 1970", "1772344800"),
			text("webhook-signature", "v1, and the base64 of an HMAC-SHA256 with the callback secret over webhook-id.webhook-timestamp.body; one for each secret, with spaces between. Sinks are called without these three while there is no secret",
				"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(body, true, ""), Example: callbackExample(kind)},
		}},
		Responses: map[string]*huma.Response{
			"2XX":     {Description: "It is taken. Answer within 15 seconds"},
			"410":     {Description: "It is not wanted, and not sent again"},
			"429":     {Description: "Try again later: Retry-After is heard, up to two hours; so is that of 503"},
			"default": {Description: "It is sent again after 5, 15, 45 seconds and so on, for a day. Redirects are not followed"},
		},
	}
}

// callbackExample is a body.
func callbackExample(kind jobs.EventType) any {
	at := exampleTime.Add(14_000_000_000)
	switch noun, rest, _ := strings.Cut(string(kind), "."); noun {
	case "job":
		job := exampleJob(jobs.State(rest))
		switch kind {
		case jobs.EventJobRetried:
			job = exampleJob(jobs.Queued)
			job.Attempt = 2
		case jobs.EventJobDone, jobs.EventJobFailed, jobs.EventJobTimedOut, jobs.EventJobCanceled:
		default:
			job = exampleJob(jobs.Done)
			job.Late, job.Corrected = kind == jobs.EventJobLate, kind == jobs.EventJobCorrected
		}
		return JobCallback{kind, at, job.Form()}
	case "batch":
		batch := exampleBatch(jobs.BatchFinished)
		if kind == jobs.EventBatchRevised {
			batch.Counts.Late, batch.Revision = 1, 2
		}
		if kind == jobs.EventBatchPaused {
			batch = exampleBatch(jobs.BatchPaused)
			batch.PauseReason = "create screenshot: 401 INVALID_API_KEY"
		}
		return BatchCallback{kind, at, CalledBatch{batch.Form()}}
	}
	return ForeignCallback{kind, at, jobs.Foreign{ScreenshotID: "1948201", Event: "screenshot.finished", Outcome: jobs.OutcomeDone,
		ImageURL: fmt.Sprintf("https://cdn.example.com/%s.png", "1948201"), ReceivedAt: at}}
}
