package jobs

import (
	"fmt"
	"strings"
	"testing"
)

// TestWantedFiles checks which files a job has, by the parameters of the job and
// of its batch.
func TestWantedFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job, batch Params
		only       []Output
		want       string
	}{
		"only the image":           {want: "image/1"},
		"all outputs":              {job: Params{"html": true, "pdf": "1", "video": true}, want: "image/1 html/1 pdf/1 video/1"},
		"of the batch":             {batch: Params{"pdf": true}, want: "image/1 pdf/1"},
		"the row decides":          {job: Params{"pdf": false}, batch: Params{"pdf": true, "html": "true"}, want: "image/1 html/1"},
		"values that mean no":      {job: Params{"pdf": "", "html": "0", "video": 0.0}, want: "image/1"},
		"several shots":            {job: Params{"shots": 3.0}, want: "image/1 image/2 image/3"},
		"shots as text":            {batch: Params{"shots": "2"}, want: "image/1 image/2"},
		"shots that are no number": {job: Params{"shots": "many"}, want: "image/1"},
		"negative shots":           {job: Params{"shots": -2.0}, want: "image/1"},
		"selected outputs":         {job: Params{"html": true, "pdf": true, "shots": 2.0}, only: []Output{OutputPDF, OutputVideo}, want: "pdf/1"},
	} {
		j := Job{ID: ID{"b", 7}, State: Done, ScreenshotID: "41", Attempt: 2, Params: test.job}
		var got []string
		for _, f := range WantedFiles(j, test.batch, test.only) {
			got = append(got, fmt.Sprintf("%s/%d", f.Output, f.Shot))
			if f.Job != j.ID || f.Screenshot != "41" || f.Attempt != 2 || f.State != FileWanted {
				t.Errorf("%s: got file %+v", name, f)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %v, want %s", name, got, test.want)
		}
	}
	if n := len(WantedFiles(Job{State: Done, ScreenshotID: "1", Params: Params{"shots": 1e12}}, nil, nil)); n != maxShots {
		t.Errorf("got %d shots, want %d", n, maxShots)
	}
	for _, j := range []Job{{State: Failed, ScreenshotID: "41"}, {State: Done}, {State: Pending, ScreenshotID: "41"}} {
		if files := WantedFiles(j, nil, nil); files != nil {
			t.Errorf("%s job with screenshot %q has files %v", j.State, j.ScreenshotID, files)
		}
	}
}
