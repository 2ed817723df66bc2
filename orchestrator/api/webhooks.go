package api

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// The contract describes the callbacks under webhooks, one for each type of
// event, with its body and headers.

// JobCallback is the body of a callback about a job.
type JobCallback struct {
	Type      jobs.EventType `json:"type" doc:"The type of the event"`
	Timestamp time.Time      `json:"timestamp" doc:"The time of the event"`
	Data      jobjson.Job    `json:"data" doc:"The job. If it has changed since, for example because it was retried, it has only the facts that belong to the event"`
}

// BatchCallback is the body of a callback about a batch.
type BatchCallback struct {
	Type      jobs.EventType `json:"type" doc:"The type of the event"`
	Timestamp time.Time      `json:"timestamp" doc:"The time of the event"`
	Data      CallbackBatch  `json:"data"`
}

// CallbackBatch is the batch in a BatchCallback: a jobjson.Batch or a
// jobjson.PastBatch.
type CallbackBatch struct{ jobjson.Batch }

// Schema implements huma.SchemaProvider.
func (CallbackBatch) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[jobjson.Batch](), true, ""), r.Schema(reflect.TypeFor[jobjson.PastBatch](), true, "")}}
}

// ForeignCallback is the body of a callback about a foreign delivery.
type ForeignCallback struct {
	Type      jobs.EventType  `json:"type" doc:"The type of the event"`
	Timestamp time.Time       `json:"timestamp" doc:"The time of the event"`
	Data      jobjson.Foreign `json:"data" doc:"The contents of the vendor's webhook; empty if the webhook is no longer kept"`
}

// describeWebhooks adds the callbacks to the contract.
func describeWebhooks(doc *huma.OpenAPI) {
	doc.Webhooks = map[string]*huma.PathItem{}
	for _, info := range jobs.EventTable {
		doc.Webhooks[string(info.Type)] = &huma.PathItem{Post: webhook(doc.Components.Schemas, info)}
	}
}

// callbackBody returns the type of the body of callbacks about a subject.
func callbackBody(about jobs.Subject) reflect.Type {
	switch about {
	case jobs.SubjectJob:
		return reflect.TypeFor[JobCallback]()
	case jobs.SubjectBatch:
		return reflect.TypeFor[BatchCallback]()
	default:
		return reflect.TypeFor[ForeignCallback]()
	}
}

// recipients describes the recipients of a type of event.
func recipients(info jobs.EventInfo) string {
	sinks := "sinks"
	if info.Sinks == jobs.SinksNamed {
		sinks = "sinks that name this type"
	}
	switch info.Subject {
	case jobs.SubjectJob:
		return "Sent to the callback_url of the job, or of its row in a batch, and to " + sinks + "."
	case jobs.SubjectBatch:
		return "Sent to the callback_url of the batch, and to " + sinks + "."
	default:
		return "Sent to " + sinks + "."
	}
}

func webhook(schemas huma.Registry, info jobs.EventInfo) *huma.Operation {
	text := func(name, doc, example string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Required: true, Description: doc, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
	}
	words := strings.FieldsFunc(string(info.Type), func(r rune) bool { return r == '.' || r == '_' })
	id := "on"
	for _, word := range words {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	return &huma.Operation{
		Method: http.MethodPost, OperationID: id, Tags: []string{"callbacks"}, Summary: info.Doc,
		Description: recipients(info) + " Signed according to Standard Webhooks (https://www.standardwebhooks.com): verify the signature with one of its libraries. A callback is sent at least once, always with the same webhook-id and the same bytes, and might arrive out of order. A sink with the format slack receives a text instead of this body.",
		Parameters: []*huma.Param{
			text("webhook-id", "The ID of the event, the same in every attempt and for every target", "evt_1772344800000_42"),
			text("webhook-timestamp", "The time of this attempt, in seconds since 1970", "1772344800"),
			text("webhook-signature", "v1, a comma, and the base64 of the HMAC-SHA256 of webhook-id.webhook-timestamp.body with the callback secret. If there are several secrets, there is one signature for each, separated by spaces. If there is no secret, sinks receive none of these three headers",
				"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(callbackBody(info.Subject), true, ""), Example: callbackExample(info)},
		}},
		Responses: map[string]*huma.Response{
			"2XX":     {Description: "The callback counts as delivered. Respond within 15 seconds"},
			"410":     {Description: "The callback is not wanted. It is not sent again"},
			"429":     {Description: "Try again later. Retry-After is respected up to two hours, also with 503"},
			"default": {Description: "The callback is sent again after 5, 15, 45 seconds and so on, for a day. Redirects are not followed"},
		},
	}
}

// callbackExample returns an example of a body.
func callbackExample(info jobs.EventInfo) any {
	at := exampleTime.Add(14 * time.Second)
	switch info.Subject {
	case jobs.SubjectJob:
		job := exampleJob(cmp.Or(info.State, jobs.Done))
		job.Late, job.Corrected = info.Late, info.Corrected
		if job.State == jobs.Queued { // the job was retried
			job.Attempt = 2
		}
		return JobCallback{info.Type, at, jobjson.FromJob(job)}
	case jobs.SubjectBatch:
		batch := exampleBatch(info.BatchState)
		if info.Type == jobs.EventBatchRevised {
			batch.Counts.Late, batch.Revision = 1, 2
		}
		if batch.State == jobs.BatchPaused {
			batch.PauseReason = "create screenshot: 401 INVALID_API_KEY"
		}
		return BatchCallback{info.Type, at, CallbackBatch{jobjson.FromBatch(batch)}}
	}
	return ForeignCallback{info.Type, at, jobjson.Foreign{ScreenshotID: "1948201", Event: "screenshot.finished", Outcome: jobs.OutcomeDone,
		ImageURL: fmt.Sprintf("https://cdn.example.com/%s.png", "1948201"), ReceivedAt: at}}
}
