package jobjson_test

import (
	"encoding/json"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

func TestBatch(t *testing.T) {
	created := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	cost := 12.5
	for name, c := range map[string]struct {
		batch jobs.Batch
		want  string
	}{
		"every count is present, even if it is zero": {
			jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1"}, State: jobs.BatchImporting, CreatedAt: created},
			`{"batch_id":"b1","state":"importing","rows":0,"queued":0,"submitting":0,"pending":0,"done":0,"failed":0,"timed_out":0,"canceled":0,` +
				`"duplicate":0,"rejected":0,"closed_by":{"cancel":0,"create":0,"deadline":0,"poll":0,"submit":0,"webhook":0},"late":0,"corrected":0,` +
				`"double_charged":0,"api_calls":0,"revision":0,"created_at":"2031-05-06T07:08:09Z"}`,
		},
		"everything": {
			jobs.Batch{
				BatchSpec: jobs.BatchSpec{ID: "b1", Source: "list.csv", Columns: []string{"url"}}, State: jobs.BatchFinished, PauseReason: "key refused",
				Counts: jobs.Counts{
					Rows: 45,
					ByState: map[jobs.State]int64{
						jobs.Queued: 1, jobs.Submitting: 2, jobs.Pending: 3, jobs.Done: 4, jobs.Failed: 5,
						jobs.TimedOut: 6, jobs.Canceled: 7, jobs.Duplicate: 8, jobs.Rejected: 9,
					},
					ByProvenance: map[jobs.Provenance]int64{
						jobs.ByWebhook: 1, jobs.ByPoll: 2, jobs.ByCreate: 3, jobs.ByDeadline: 4, jobs.BySubmit: 5, jobs.ByCancel: 6,
					},
					Late: 10, Corrected: 3, DoubleCharged: 11, Cost: &cost, APICalls: 12,
				},
				Revision: 2, CreatedAt: created, FinishedAt: created.Add(time.Hour),
			},
			`{"batch_id":"b1","state":"finished","pause_reason":"key refused","source":"list.csv","rows":45,"queued":1,"submitting":2,"pending":3,"done":4,` +
				`"failed":5,"timed_out":6,"canceled":7,"duplicate":8,"rejected":9,"closed_by":{"cancel":6,"create":3,"deadline":4,"poll":2,` +
				`"submit":5,"webhook":1},"late":10,"corrected":3,"double_charged":11,"cost":12.5,"api_calls":12,"revision":2,` +
				`"created_at":"2031-05-06T07:08:09Z","finished_at":"2031-05-06T08:08:09Z"}`,
		},
	} {
		got, err := json.Marshal(jobjson.FromBatch(c.batch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", name, got, err, c.want)
		}
	}
}
