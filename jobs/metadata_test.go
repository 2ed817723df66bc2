package jobs_test

import (
	"encoding/json"
	"errors"
	"testing"

	"shotline/jobs"
)

func TestMetadataIsGivenBackAsItCame(t *testing.T) {
	for _, text := range []string{
		`{}`, `null`, `{"a":"17"}`, `{"a":17}`, `{"a":12345678901234567890}`, `{"a":0.1000000000000000055511151231257827}`, `{"a":1.10}`,
		`{"a":-0}`, `{"a":1E400}`, `{"a":true,"b":false,"c":null,"d":""}`,
	} {
		var m jobs.Metadata
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if again, err := json.Marshal(m); err != nil || string(again) != text {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	}
	for _, text := range []string{`{"a":[]}`, `{"a":{}}`, `{"b":1,"a":[1]}`} {
		var job struct{ Metadata jobs.Metadata }
		err := json.Unmarshal([]byte(`{"metadata":`+text+`}`), &job)
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) || wrong.Field != "metadata.a" && wrong.Field != "Metadata.a" {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`[]`, `"a"`, `1`} {
		if err := json.Unmarshal([]byte(text), new(jobs.Metadata)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}
