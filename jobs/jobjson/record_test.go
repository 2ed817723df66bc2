package jobjson_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"shotline/jobs/jobjson"
)

func TestTakeOutcome(t *testing.T) {
	const record = `{"id":"b1-7","batch_id":"b1","url":"u","state":"done","attempt":1,"row":7,"late":false,"error":"e","file":"f","metadata":{"id":1},"own":2}`
	for object, want := range map[string]string{
		record: "metadata own url",
		strings.Replace(record, `"b1-7"`, `"b1-8"`, 1):   "",
		strings.Replace(record, `"b1-7"`, `7`, 1):        "",
		strings.Replace(record, `"b1"`, `"b2"`, 1):       "",
		strings.Replace(record, `"done"`, `"Bayern"`, 1): "",
		strings.Replace(record, `"late":false,`, ``, 1):  "",
		strings.Replace(record, `"attempt":1,`, ``, 1):   "",
		strings.Replace(record, `"row":7,`, ``, 1):       "",
		`{"url":"u","state":"done"}`:                     "",
	} {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object), &fields); err != nil {
			t.Fatal(err)
		}
		before := len(fields)
		job, removed := jobjson.TakeOutcome(fields)
		if want == "" {
			if !job.IsZero() || removed != 0 || len(fields) != before {
				t.Errorf("%s: taken for a record: job %s, %d fields removed", object, job, removed)
			}
			continue
		}
		if left := strings.Join(slices.Sorted(maps.Keys(fields)), " "); left != want || job.String() != "b1-7" || before-len(fields) != removed {
			t.Errorf("%s: job %s, %d fields removed, %q left", object, job, removed, left)
		}
	}
}
