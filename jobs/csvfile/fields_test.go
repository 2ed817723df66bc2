package csvfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/client/parameter"
	"shotline/jobs"
)

func TestFieldsGiveTheRequestOfARow(t *testing.T) {
	reader, err := Open(strings.NewReader("url,Width,dark,delay,pdf_margin,header,param:x,size,tags,ref\n"+
		`example.com,800,yes,1.5,10,"{""A"":""b""}",[1],page,a|b,7`+"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := reader.Next()
	if err != nil {
		t.Fatal(err)
	}
	for name, params := range map[string]map[string]any{
		"typed": {"Width": 800.0, "dark": true, "delay": 1.5, "pdf_margin": 10.0, "header": map[string]any{"A": "b"}, "x": []any{1.0}, "size": "page", "cookie": nil},
		"texts": {"width": "800", "dark": "yes", "delay": "1.5", "pdf_margin": "10", "header": `{"A":"b"}`, "x": "[1]", "size": "page", "cookie": " "},
	} {
		got, flaws := Fields{URL: " example.com", Params: params, Tags: []string{"a", " b", "a", ""}, Metadata: jobs.Metadata{"ref": "7"}}.Request()
		if flaws != nil {
			t.Errorf("%s: %v", name, flaws[0])
		}
		want := jobs.Request{URL: row.URL, Params: row.Params, Tags: row.Tags, Metadata: row.Metadata}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the row and the fields differ: %s", name, diff)
		}
	}
}

func TestFieldsThatCannotBecomeAJob(t *testing.T) {
	for _, test := range []struct {
		fields Fields
		field  string
		want   string
	}{
		{Fields{}, "url", "no URL"},
		{Fields{URL: "ftp://a.test/"}, "url", "only http and https"},
		{Fields{URL: "a\x00.test"}, "url", "control"},
		{Fields{URL: "a.test", Params: map[string]any{"width": "wide"}}, "params.width", "not a number"},
		{Fields{URL: "a.test", Params: map[string]any{"width": -1.0}}, "params.width", "not a whole number"},
		{Fields{URL: "a.test", Params: map[string]any{"width": true}}, "params.width", "not a number"},
		{Fields{URL: "a.test", Params: map[string]any{"dark": 3.0}}, "params.dark", "not true or false"},
		{Fields{URL: "a.test", Params: map[string]any{"size": []any{"page"}}}, "params.size", "want one value"},
		{Fields{URL: "a.test", Params: map[string]any{"Key": "s3cret"}}, "params.Key", "API key"},
		{Fields{URL: "a.test", Params: map[string]any{"apps": "1"}}, "params.apps", "whole batch"},
		{Fields{URL: "a.test", Params: map[string]any{"tag": "x"}}, "params.tag", "cannot be set as a parameter"},
		{Fields{URL: "a.test", Params: map[string]any{" ": "x"}}, "params. ", "not a valid parameter name"},
		{Fields{URL: "a.test", Tags: []string{"ok", jobs.TagPrefix + "x"}}, "tags[1]", "reserved"},
		{Fields{URL: "a.test", Tags: []string{"\xff"}}, "tags[0]", "UTF-8"},
		{Fields{URL: "a.test", Metadata: jobs.Metadata{"a": "\x00"}}, "metadata.a", "NUL"},
	} {
		got, flaws := test.fields.Request()
		if len(flaws) != 1 || flaws[0].Field != test.field || !strings.Contains(flaws[0].Error(), test.want) || got.Reject != flaws[0].Error() {
			t.Errorf("%+v: %v, rejected for %q; want %s: %s", test.fields, flaws, got.Reject, test.field, test.want)
		}
		if strings.ContainsAny(got.URL, "\x00") {
			t.Errorf("%+v the URL %q contains a NUL byte", test.fields, got.URL)
		}
	}
}

func TestErrorsDoNotRepeatSecrets(t *testing.T) {
	for _, p := range parameter.All() {
		if !p.Secret {
			continue
		}
		name := p.Name
		for _, value := range []any{`{"hunter2"`, map[string]any{"hunter2": 1.0}, []any{"hunter2"}} {
			request, _ := Fields{URL: "a.test", Params: map[string]any{name: value}}.Request()
			if strings.Contains(request.Reject, "hunter2") {
				t.Errorf("%s: %s", name, request.Reject)
			}
		}
	}
}

func TestSecretColumns(t *testing.T) {
	header := []string{"url", " COOKIE ", "param:Header", "Param.post_data", "cookies", "", "key", "width", "param:X", "meta:cookie"}
	want := []bool{false, true, true, true, false, false, false, false, false, true}
	if diff := cmp.Diff(want, SecretColumns(header)); diff != "" {
		t.Error(diff)
	}
}
