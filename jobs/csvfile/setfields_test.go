package csvfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]int{
		"https://a.test/\nhttps://b.test/\n":                                                        {},
		"sku,url,width,job:timeout,tag\nA1,a.test,800,90s,x\n":                                      {"metadata.sku": 0, "params.width": 2, "timeout": 3, "tags": 4},
		"url,tag,tags\na.test,x,y\n":                                                                {"tags": -1},
		resultsOf([]string{"n", "url", "job:priority", "x"}, "", []string{"1", "a.test", "5", "y"}): {"metadata.n": 0, "priority": 2, "metadata.x": 3},
	} {
		r, _ := readAll(t, text, Options{})
		if diff := cmp.Diff(want, r.Fields()); diff != "" {
			t.Errorf("%q: fields (-want +got):\n%s", text, diff)
		}
	}
}
