package jobjson

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"shotline/jobs"
)

// Record is a job in a results file.
type Record struct {
	Job
	File string `json:"file,omitempty"` // name of the saved image; empty if there is none
}

// requestFields are the fields of a record that describe the request.
var requestFields = []string{"url", "params", "tags", "metadata"}

// outcomeFields are all other fields of a record.
var outcomeFields = slices.DeleteFunc(fieldNames(reflect.TypeFor[Record]()), func(name string) bool {
	return slices.Contains(requestFields, name)
})

func fieldNames(object reflect.Type) (names []string) {
	for i := range object.NumField() {
		field := object.Field(i)
		if field.Anonymous {
			names = append(names, fieldNames(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TakeOutcome removes the fields of the outcome from a record, so that it becomes
// the request of its job, and returns the job and the number of removed fields. If
// the object is not a record, it does not change it and returns the zero ID. An
// object is a record if it has all fields that every job has, and they agree. So a
// user's own field that merely has the name state stays the user's.
func TakeOutcome(fields map[string]json.RawMessage) (job jobs.ID, removed int) {
	var (
		batch   string
		state   jobs.State
		attempt int
		row     int64
		late    bool
	)
	for name, value := range map[string]any{"id": &job, "batch_id": &batch, "state": &state, "attempt": &attempt, "row": &row, "late": &late} {
		if json.Unmarshal(fields[name], value) != nil {
			return jobs.ID{}, 0
		}
	}
	if job.IsZero() || job != (jobs.ID{Batch: batch, Row: row}) || !slices.Contains(jobs.States, state) {
		return jobs.ID{}, 0
	}
	for _, name := range outcomeFields {
		if _, present := fields[name]; present {
			delete(fields, name)
			removed++
		}
	}
	return job, removed
}
