package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/client/parameter"
)

// TestNotes checks that names that resemble a parameter are pointed out, and that
// they are sent unchanged.
func TestNotes(t *testing.T) {
	advice := "sent, but not a documented parameter; did you mean width?"
	formBody, formKind := form(t, "param", "widht=7", "file@", "url,dark,Size\na.test,true,XL\n")
	for name, test := range map[string]struct {
		path, body, kind string
		notes            []any
	}{
		"job":       {"/v1/jobs", `{"url":"a.test","params":{"widht":7,"wait_for":"x"}}`, "application/json", []any{"params.widht: " + advice}},
		"job, fine": {"/v1/jobs", `{"url":"a.test","params":{"width":7,"wait_for":"x"}}`, "application/json", nil},
		"JSON": {"/v1/batches", `{"jobs":[{"url":"a.test"},{"url":"b.test","params":{"widht":7}},{"url":"c.test","params":{"widht":8}}],"params":{"heigth":9}}`, "application/json",
			[]any{"params.heigth: sent, but not a documented parameter; did you mean height?", "jobs[1].params.widht: " + advice}},
		"CSV":  {"/v1/batches?param=widht%3D7", "url,title\na.test,x\n", "text/csv", []any{"param widht: " + advice}},
		"form": {"/v1/batches", formBody, formKind, []any{"param widht: " + advice, `column "dark": sent as parameter dark`, `column "Size": not a parameter, because line 2 has "XL", not screen or page; param:Size sends it`}},
	} {
		r := newRig(t, nil)
		got := r.do("POST", test.path, test.body, "Content-Type", test.kind).want(202)
		notes, _ := got["notes"].([]any)
		if diff := cmp.Diff(test.notes, notes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		switch name {
		case "job":
			if j := r.job("b1-1"); j.Params["widht"] != 7.0 || j.Params["wait_for"] != "x" {
				t.Errorf("%s: the parameters are %v", name, j.Params)
			}
		case "JSON":
			if j := r.job("b1-2"); j.Params["widht"] != 7.0 {
				t.Errorf("%s: the parameters are %v", name, j.Params)
			}
		}
	}
}

// TestNotesOfARepeatedRequest checks that the response to a repeated request has
// the notes of the first.
func TestNotesOfARepeatedRequest(t *testing.T) {
	r := newRig(t, nil)
	for _, status := range []int{202, 200} {
		for _, test := range [][3]string{{"/v1/jobs", `{"url":"a.test","params":{"widht":7}}`, "application/json"}, {"/v1/batches", "url,width\na.test,800\n", "text/csv"}} {
			got := r.do("POST", test[0], test[1], "Content-Type", test[2], "Idempotency-Key", test[0]).want(status)
			if notes, _ := got["notes"].([]any); len(notes) != 1 {
				t.Errorf("%s: the response %d has the notes %v, want one", test[0], status, notes)
			}
		}
	}
}

// TestContractListsParameters checks that the contract describes every parameter
// that a caller can set, and lets other ones pass.
func TestContractListsParameters(t *testing.T) {
	r := newRig(t, nil)
	schemas := r.contract.doc.Components.Schemas.Map()
	described := schemas["Params"]
	if described == nil || described.AdditionalProperties != true {
		t.Fatalf("the schema of the parameters is %+v", described)
	}
	want := 0
	for _, p := range parameter.All() {
		if p.Reserved != "" {
			continue
		}
		want++
		if field := described.Properties[p.Name]; field == nil || !strings.Contains(field.Description, p.Note) {
			t.Errorf("%s is not described: %+v", p.Name, field)
		}
	}
	if len(described.Properties) != want {
		t.Errorf("%d parameters, want %d", len(described.Properties), want)
	}
	for _, name := range []string{"JobRequest", "RowRequest", "BatchRequest", "Job"} {
		if params := schemas[name].Properties["params"]; params == nil || params.Ref != "#/components/schemas/Params" {
			t.Errorf("the parameters of %s are %+v", name, params)
		}
	}
}
