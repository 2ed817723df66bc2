package jobjson_test

import (
	"encoding/json"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

func TestJob(t *testing.T) {
	created := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	zero, half := 0.0, 0.5
	for name, c := range map[string]struct {
		job  jobs.Job
		want string
	}{
		"unknown values are absent": {
			jobs.Job{ID: jobs.ID{Batch: "b1", Row: 3}, URL: "https://example.com/", State: jobs.Queued, CreatedAt: created},
			`{"id":"b1-3","batch_id":"b1","url":"https://example.com/","state":"queued","attempt":0,"row":3,"late":false,"created_at":"2031-05-06T07:08:09Z"}`,
		},
		"everything": {
			jobs.Job{
				ID: jobs.ID{Batch: "b1", Row: 3}, Line: 4, URL: "https://example.com/?a=1&b=<2>", Params: jobs.Params{"dark": true, "width": 800.0},
				Tags: []string{"spring"}, Metadata: jobs.Metadata{"sku": "7"}, Cells: []string{"kept", "inside"}, State: jobs.Done, Attempt: 1,
				ScreenshotID: "s1", ImageURL: "https://vendor.example/1.png", Error: "e", ClosedBy: jobs.ByWebhook, Cost: &half, Late: true,
				DoubleCharged: 2, Conflicts: 1, FirstResult: jobs.OutcomeFailed, VendorSays: jobs.OutcomeDone, Corrected: true, CreatedAt: created, SubmittedAt: created.Add(time.Second),
				ClosedAt: created.Add(1500 * time.Millisecond), Deadline: created.Add(time.Minute), CancelAskedAt: created,
			},
			`{"id":"b1-3","batch_id":"b1","url":"https://example.com/?a=1\u0026b=\u003c2\u003e","state":"done","attempt":1,"row":3,"line":4,"screenshot_id":"s1",` +
				`"image_url":"https://vendor.example/1.png","error":"e","closed_by":"webhook","cost":0.5,"late":true,"double_charged":2,` +
				`"conflicts":1,"first_result":"failed","vendor_says":"done","corrected":true,"params":{"dark":true,"width":800},"tags":["spring"],"metadata":{"sku":"7"},"created_at":"2031-05-06T07:08:09Z",` +
				`"submitted_at":"2031-05-06T07:08:10Z","closed_at":"2031-05-06T07:08:10.5Z",` +
				`"cancel_asked_at":"2031-05-06T07:08:09Z"}`,
		},
		"a cost of zero is known": {
			jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, State: jobs.Failed, Attempt: 1, Cost: &zero},
			`{"id":"b1-1","batch_id":"b1","url":"","state":"failed","attempt":1,"row":1,"cost":0,"late":false}`,
		},
		"a duplicate names the row that it repeats": {
			jobs.Job{ID: jobs.ID{Batch: "b1", Row: 9}, State: jobs.Duplicate, DuplicateOf: 2},
			`{"id":"b1-9","batch_id":"b1","url":"","state":"duplicate","attempt":0,"row":9,"late":false,"duplicate_of":"b1-2"}`,
		},
	} {
		got, err := json.Marshal(jobjson.FromJob(c.job))
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", name, got, err, c.want)
		}
	}
}
