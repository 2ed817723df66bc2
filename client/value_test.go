package client

import "testing"

func TestTextIsDecoded(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"plain"`:            "plain",
		`""`:                 "",
		`"\""`:               `"`,
		`"a\"b\\"`:           `a"b\`,
		`"gr\u00fcn / grün"`: "grün / grün",
		"\"a\xffb\"":         "a\ufffdb",
		`12.50`:              "12.50",
		`true`:               "true",
		`null`:               "",
		``:                   "",
		`["a"]`:              "",
		`{"a":"b"}`:          "",
	} {
		if got := text([]byte(raw)); got != want {
			t.Errorf("the text of %s is %q, want %q", raw, got, want)
		}
	}
}
