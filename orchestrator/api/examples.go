package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/summary"
	"shotline/jobs/timeline"
)

// Examples of request and response bodies, by operation. A test checks each of
// them against its schema, and requires one for every operation that accepts or
// returns JSON.

var exampleTime = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

const (
	exampleBatchID = "b7k2m9q4x1"
	exampleURL     = "https://example.com/"
)

// exampleJob returns a job in this state.
func exampleJob(state jobs.State) jobs.Job {
	j := jobs.Job{
		ID: jobs.ID{Batch: exampleBatchID, Row: 1}, URL: exampleURL, State: state, Params: jobs.Params{"size": "page", "width": 1280},
		Tags: []string{"autumn"}, Metadata: jobs.Metadata{"order": json.Number("17"), "shop": "north"}, CreatedAt: exampleTime,
	}
	if state == jobs.Queued {
		return j
	}
	cost := 1.0
	j.Attempt = 1
	if state == jobs.Canceled {
		j.ClosedBy, j.ClosedAt = jobs.ByCancel, exampleTime.Add(2*time.Second)
		return j
	}
	j.ScreenshotID, j.SubmittedAt, j.ClosedAt, j.ClosedBy = "1948201", exampleTime.Add(time.Second), exampleTime.Add(14*time.Second), jobs.ByWebhook
	switch state {
	case jobs.Done:
		j.ImageURL, j.Cost = "https://cdn.example.com/1948201.png", &cost
	case jobs.Failed:
		j.Error, j.Cost = "the page did not answer", &cost
	case jobs.TimedOut:
		j.ClosedBy, j.ClosedAt, j.Error = jobs.ByDeadline, exampleTime.Add(12*time.Minute), "no result within 12m0s"
	}
	return j
}

// exampleBatch returns a batch of three rows in this state.
func exampleBatch(state jobs.BatchState) jobs.Batch {
	b := jobs.Batch{BatchSpec: jobs.BatchSpec{ID: exampleBatchID, Source: "HTTP API"}, State: state, CreatedAt: exampleTime}
	b.Counts = jobs.Counts{Rows: 3, ByState: map[jobs.State]int64{jobs.Queued: 3}}
	if state == jobs.BatchFinished {
		cost := 3.0
		b.Counts.ByState = map[jobs.State]int64{jobs.Done: 2, jobs.Failed: 1}
		b.Counts.ByProvenance = map[jobs.Provenance]int64{jobs.ByWebhook: 3}
		b.Counts.Cost, b.Counts.APICalls, b.Revision, b.FinishedAt = &cost, 3, 1, exampleTime.Add(40*time.Second)
	}
	return b
}

// exampleTimeline returns the timeline of a job that is done.
func exampleTimeline(job jobs.ID) []timeline.Entry {
	tag := jobs.SubmissionTag(job, 1)
	return []timeline.Entry{
		{At: exampleTime, Kind: timeline.KindRow, Text: "row 1 came in from line 2 of urls.csv"},
		{At: exampleTime.Add(time.Second), Kind: timeline.KindSubmission, Text: "attempt 1: create sent with tag " + tag, Attempt: 1, Tag: tag, ScreenshotID: "1948201"},
		{At: exampleTime.Add(14 * time.Second), Kind: timeline.KindDelivery, Text: "webhook screenshot.completed about screenshot 1948201: applied",
			ScreenshotID: "1948201", Type: "screenshot.completed", Verdict: timeline.VerdictApplied, Place: 17},
		{At: exampleTime.Add(14 * time.Second), Kind: timeline.KindEvent, Text: "done by webhook", State: jobs.Done, Attempt: 1, Type: string(jobs.EventJobDone),
			By: jobs.ByWebhook, Place: 12},
		{At: exampleTime.Add(time.Minute), Kind: timeline.KindNow, Text: "done: its image is screenshot 1948201", State: jobs.Done, Attempt: 1},
	}
}

// requestExamples returns JSON request bodies by operation.
func requestExamples() map[string]any {
	row := func(n int) RowRequest { return RowRequest{URL: fmt.Sprintf("%s%d", exampleURL, n)} }
	special := row(2)
	special.Params, special.CallbackURL, special.Priority = map[string]any{"dark": true}, "https://shop.example.com/hooks/row-2", new(10)
	special.Metadata = jobs.Metadata{"order": json.Number("18")}
	return map[string]any{
		"createJob": JobRequest{
			URL: exampleURL, Params: map[string]any{"size": "page", "width": 1280}, Tags: []string{"autumn"},
			Metadata: jobs.Metadata{"order": json.Number("17"), "shop": "north"}, CallbackURL: "https://shop.example.com/hooks/shots", Timeout: "5m",
		},
		"createBatch": BatchRequest{
			BatchOptions: BatchOptions{Params: map[string]any{"size": "page"}, Tags: []string{"autumn"}, CallbackURL: "https://shop.example.com/hooks/batch"},
			Jobs:         []RowRequest{row(1), special, row(3)},
		},
		"amendBatch": AmendRequest{Jobs: []AmendedRow{{JobID: exampleBatchID + "-3", RowRequest: row(4)}}},
	}
}

// answerExamples returns response bodies by operation and status.
func answerExamples() map[string]map[int]any {
	form := func(state jobs.State) jobjson.Job { return jobjson.FromJob(exampleJob(state)) }
	again := exampleJob(jobs.Queued)
	again.Attempt = 2
	canceling := exampleJob(jobs.Queued)
	canceling.State, canceling.Attempt, canceling.CancelAskedAt = jobs.Submitting, 1, exampleTime.Add(time.Second)
	finished, running := exampleBatch(jobs.BatchFinished), exampleBatch(jobs.BatchOpen)
	paused := exampleBatch(jobs.BatchPaused)
	accepted := jobjson.AcceptedFrom(running, nil)
	repeated := accepted
	repeated.BatchID, repeated.RerunOf = "c5r3v0z8q2", exampleBatchID
	job := jobs.ID{Batch: exampleBatchID, Row: 1}
	dead := jobs.Callback{
		Seq: 42, EventID: "evt_1772344800000_42", Type: jobs.EventJobDone, Batch: exampleBatchID, Job: job,
		Target: jobs.Target{URL: "https://shop.example.com/hooks/shots"}, State: jobs.CallbackDead, Attempts: 17, Status: 500, Error: "answered 500",
		CreatedAt: exampleTime, FirstAt: exampleTime, SettledAt: exampleTime.Add(24 * time.Hour),
	}
	b := jobjson.FromBatch(finished)
	sum := summary.Summary{
		BatchID: b.BatchID, State: b.State, Source: b.Source, Rows: b.Rows, Done: b.Done, Failed: b.Failed, ClosedBy: b.ClosedBy, Cost: b.Cost,
		APICalls: b.APICalls, Revision: b.Revision, CreatedAt: b.CreatedAt, FinishedAt: b.FinishedAt, ComputedAt: b.FinishedAt,
		DurationSeconds: 40, PerMinute: 4.5, Timings: &summary.Timings{P50: 12.5, P95: 31, Mean: 18.8, Min: 12.5, Max: 31},
		Reasons: []summary.Reason{{State: jobs.Failed, Error: "the page did not answer", Count: 1, FirstJob: jobs.ID{Batch: exampleBatchID, Row: 3}, Line: 3}},
	}
	ok := CheckResult{OK: true}
	return map[string]map[int]any{
		"createJob": {http.StatusAccepted: form(jobs.Queued), http.StatusOK: form(jobs.Done)},
		"listJobs":  {http.StatusOK: JobPage{[]jobjson.Job{form(jobs.Done)}, "R1c0MUxNcG0gYjctMQ"}},
		"getJob":    {http.StatusOK: form(jobs.Done)},
		"listRefused": {http.StatusOK: RefusedWebhooks{[]jobjson.Refusal{{
			At: exampleTime, Path: "/webhooks/screenshotcenter", Result: "signature", Status: http.StatusUnauthorized, Reason: "signature does not match",
			Headers: []string{"Content-Length", "Content-Type", "X-Signature"},
		}}}},
		"getTimeline":     {http.StatusOK: Timeline{job, exampleTimeline(job)}},
		"retryJob":        {http.StatusAccepted: jobjson.FromJob(again), http.StatusOK: form(jobs.Done)},
		"cancelJob":       {http.StatusOK: form(jobs.Canceled), http.StatusAccepted: jobjson.FromJob(canceling)},
		"createBatch":     {http.StatusAccepted: accepted, http.StatusOK: accepted},
		"rerunBatch":      {http.StatusAccepted: repeated, http.StatusOK: repeated},
		"listBatches":     {http.StatusOK: BatchPage{Batches: []jobjson.Batch{jobjson.FromBatch(finished)}}},
		"getBatch":        {http.StatusOK: jobjson.FromBatch(finished)},
		"amendBatch":      {http.StatusOK: jobjson.Amended{BatchID: exampleBatchID, Amended: 1}},
		"retryBatch":      {http.StatusOK: BatchRetried{BatchID: exampleBatchID, Queued: 1}},
		"cancelBatch":     {http.StatusOK: BatchCanceled{BatchID: exampleBatchID, Canceled: 2, Canceling: 1}},
		"pauseBatch":      {http.StatusOK: jobjson.FromBatch(paused)},
		"resumeBatch":     {http.StatusOK: jobjson.FromBatch(running)},
		"getSummary":      {http.StatusOK: sum},
		"listCallbacks":   {http.StatusOK: CallbackPage{Callbacks: []jobjson.Callback{jobjson.FromCallback(dead)}}},
		"replayCallbacks": {http.StatusAccepted: Replayed{3}},
		"replayCallback":  {http.StatusAccepted: Replayed{1}},
		"getHealth":       {http.StatusOK: health{"ok"}},
		"getReadiness": {
			http.StatusOK:                 Report{Ready: true, Checks: map[string]CheckResult{"store": ok, "queue": ok, "disk": ok}},
			http.StatusServiceUnavailable: Report{Checks: map[string]CheckResult{"store": ok, "queue": {Error: "connection refused"}, "disk": ok}},
		},
	}
}

// describeExamples adds the examples to the contract.
func describeExamples(doc *huma.OpenAPI) {
	requests, answers := requestExamples(), answerExamples()
	for _, op := range operations(doc) {
		if body := requests[op.OperationID]; body != nil {
			op.RequestBody.Content["application/json"].Example = body
		}
		for status, answer := range answers[op.OperationID] {
			op.Responses[strconv.Itoa(status)].Content["application/json"].Example = answer
		}
	}
	if stream := doc.Paths["/v1/events"]; stream != nil {
		frame, err := frame(42, string(jobs.EventJobDone), StreamEvent{"evt_1772344814000_42", jobs.EventJobDone, exampleTime.Add(14 * time.Second), jobjson.FromJob(exampleJob(jobs.Done))})
		if err == nil {
			stream.Get.Responses["200"].Content["text/event-stream"].Example = string(frame)
		}
	}
	doc.Components.Schemas.Map()["Problem"].Examples = []any{huma.ErrorModel{
		Title: http.StatusText(http.StatusUnprocessableEntity), Status: http.StatusUnprocessableEntity, Detail: "query.limit: given 2 times: want one value",
		Errors: []*huma.ErrorDetail{{Location: "query.limit", Message: "given 2 times: want one value"}},
	}}
}

// exampleOf returns a command that calls an operation with the body of its
// example, and the example of its first success response. If there is no example,
// the response is empty.
func exampleOf(op *huma.Operation) (command, answer string) {
	statuses := slices.Sorted(maps.Keys(op.Responses))
	if op.DefaultStatus != 0 {
		statuses = slices.Insert(statuses, 0, strconv.Itoa(op.DefaultStatus))
	}
	for _, status := range statuses {
		media := op.Responses[status].Content["application/json"]
		if media == nil || media.Example == nil || status >= "300" || answer != "" {
			continue
		}
		answer = indented(media.Example)
	}
	path := strings.NewReplacer("{id}", exampleBatchID, "{seq}", "42").Replace(op.Path)
	if strings.HasPrefix(op.Path, "/v1/jobs/") {
		path = strings.Replace(op.Path, "{id}", exampleBatchID+"-1", 1)
	}
	command = "curl"
	if len(op.Security) > 0 {
		command += ` -H "Authorization: Bearer $TOKEN"`
	}
	if op.Method != http.MethodGet {
		command += " -X " + op.Method
	}
	command += " " + addressPlaceholder + path
	if op.RequestBody != nil {
		if media := op.RequestBody.Content["application/json"]; media != nil && media.Example != nil {
			command = strings.Replace(command, " -X POST", "", 1)
			command += " \\\n  -H \"Content-Type: application/json\" -d '" + indented(media.Example) + "'"
		}
	}
	return command, answer
}

// indented returns a value as indented JSON.
func indented(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return ""
	}
	return string(text)
}

// firstSentence returns the first sentence of a text, with its full stop.
func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".") + "."
}
