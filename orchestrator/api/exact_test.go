package api

import (
	"strings"
	"testing"
)

func TestExactNames(t *testing.T) {
	r := newRig(t, nil)
	for row, wrong := range map[string]string{
		`{"url":"a.test","URL":"b.test"}`:                             ".URL",
		`{"url":"a.test","Priority":1}`:                               ".Priority",
		`{"url":"a.test","url":"b.test"}`:                             ".url",
		`{"url":"a.test","\u0075rl":"b.test"}`:                        ".url",
		`{"url":"a.test","params":{"width":1,"width":2}}`:             ".params.width",
		`{"url":"a.test","params":{"steps":[{"a":1},{"b":1,"b":2}]}}`: ".params.steps[1].b",
		`{"url":"a.test","metadata":{"7":1,"7":2}}`:                   ".metadata.7",
		"{\"url\":\"a.test/\xff\"}":                                   ".url",
		"{\"url\":\"a.test\",\"metadata\":{\"ref\":\"\xc3\x28\"}}":    ".metadata.ref",
		"{\"url\":\"a.test\",\"tags\":[\"x\",\"\xff\"]}":              ".tags[1]",
		`{"url":"a.test","metadata":{"ref":"\ud83d"}}`:                ".metadata.ref",
	} {
		r.do("POST", "/v1/jobs", row).problem(422, "body"+wrong, "")
		r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test"},`+row+`]}`).problem(422, "body.jobs[1]"+wrong, "")
	}
	for body, wrong := range map[string]string{
		`{"jobs":[{"url":"a.test"}],"params":{"width":1,"width":2}}`:       "body.params.width",
		`{"jobs":[{"url":"a.test"}],"apps":[{"id":"1","ID":"2"}]}`:         "body.apps[0].ID",
		`{"jobs":[{"url":"a.test"}],"apps":[{"id":"1","id":"2"}]}`:         "body.apps[0].id",
		`{"jobs":[{"url":"a.test"}],"tags":["x"],"tags":["y"]}`:            "body.tags",
		"{\"jobs\":[{\"url\":\"a.test\"}],\"source\":\"\xff\"}":            "body.source",
		`{"jobs":[{"url":"a.test"}],"tags":["x",1]}`:                       "body.tags[1]",
		`{"jobs":[{"url":"a.test","params":{"delay":1e400}}]}`:             "body.jobs[0].params.delay",
		`{"jobs":[{"url":"a.test"},7]}`:                                    "body.jobs[1]",
		`{"jobs":[{"url":"a.test","params":{"` + "\xff" + `":1}}]}`:        "body.jobs[0].params",
		`{"jobs":[{"url":"a.test","` + strings.Repeat("x", 900) + `":1}]}`: "",
	} {
		r.do("POST", "/v1/batches", body).problem(422, wrong, "line 1")
	}
	if found, err := r.store.Batches(t.Context(), "", 10); err != nil || len(found) > 0 {
		t.Errorf("%d batches were created, %v", len(found), err)
	}
	r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test","params":null,"tags":null,"metadata":null,"priority":null,"timeout":null}],"tags":null,"params":null}`).want(202)
}

func TestRowErrors(t *testing.T) {
	r := newRig(t, nil)
	for row, wantText := range map[string]string{
		`{"url":7}`:                              `line 1: body.jobs[0].url: want a string, not number`,
		`{"url":{}}`:                             `line 1: body.jobs[0].url: want a string, not object`,
		`{"url":"a.test","tags":true}`:           `line 1: body.jobs[0].tags: want an array, not true`,
		`{"url":"a.test","params":[]}`:           `line 1: body.jobs[0].params: want an object, not array`,
		`{"url":"a.test","priority":"1"}`:        `line 1: body.jobs[0].priority: want a number, not string`,
		`{"url":"a.test","priority":1.5}`:        `line 1: body.jobs[0].priority: want a whole number"`,
		`{"url":"a.test","params":{"x":1e400}}`:  `line 1: body.jobs[0].params.x: the number is too large`,
		`{"url":"a.test","metadata":{"a":[]}}`:   `line 1: body.jobs[0].metadata.a: want a string, a number, true, false or null, not array`,
		`{"url":"a.test","metadata":[]}`:         `line 1: body.jobs[0].metadata: want an object, not array`,
		`{"url":"a.test","tags":["a"],"tags":1}`: `line 1: body.jobs[0].tags: given twice`,
		`["a.test"]`:                             `line 1: body.jobs[0]: want an object, not array`,
	} {
		r.do("POST", "/v1/batches", `{"jobs":[`+row+`]}`).problem(422, "", wantText)
	}
}
