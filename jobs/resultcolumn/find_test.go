package resultcolumn

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldest are the columns that the first versions of the program added. Their
// files must be recognized for ever.
var oldest = strings.Split("state,error,image_url,file,screenshot_id,cost,attempt,closed_by,created_at,submitted_at,closed_at,duplicate_of,line", ",")

// own returns the columns of the user in a results file. It counts an added url as
// added.
func own(header []string) []string {
	found, ok := Find(header)
	if !ok {
		return header
	}
	var rest []string
	for i, cell := range header {
		if !found.Added[i] && i != found.URL {
			rest = append(rest, cell)
		}
	}
	return rest
}

func TestHeader(t *testing.T) {
	tail := []string{"error", "image_url", "file", "screenshot_id", "cost", "attempt", "closed_by", "created_at", "submitted_at", "closed_at", "duplicate_of", "line"}
	for _, tt := range []struct{ input, want []string }{
		{[]string{"id", " URL "}, slices.Concat([]string{"id", " URL ", "state"}, tail, []string{"job_id", "row"})},
		{[]string{"website"}, slices.Concat([]string{"website", "url", "state"}, tail, []string{"row", "job_id"})},
		{[]string{"url", "State", "shotline_state"}, slices.Concat([]string{"url", "State", "shotline_state", "shotline_shotline_state"}, tail, []string{"job_id", "row"})},
		{[]string{"url", "Row", "JOB_ID"}, slices.Concat([]string{"url", "Row", "JOB_ID", "state"}, tail, []string{"shotline_job_id", "shotline_row"})},
	} {
		got, added := Header(tt.input)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.input, diff)
		}
		if len(tt.input)+len(added) != len(got) {
			t.Errorf("%q: %d columns were added, %d are reported", tt.input, len(got)-len(tt.input), len(added))
		}
	}
}

func TestFindOfHeader(t *testing.T) {
	inputs := [][]string{
		{"url"},
		{"website"},
		{"link", "url"},
		{"Address", "Title"},
		{"url", "state"},
		{"url", "State", "COST", "shotline_state"},
		{"url", "shotline_shotline_state", "state"},
		{"url", "line", "row", "job_id"},
		{"website", "row", "job_id", "shotline_row"},
		{"", "url", ""},
		{"url", "url", "state", "state"},
		append([]string{"url"}, oldest[1:]...),
	}
	for _, input := range inputs {
		header := input
		for range 10 {
			full, _ := Header(header)
			if diff := cmp.Diff(input, own(full)); diff != "" {
				t.Fatalf("%q: own columns of its results file (-want +got):\n%s", input, diff)
			}
			header = own(full)
		}
		found, _ := Find(header)
		if len(found.Added) > 0 {
			t.Errorf("%q: Find takes own columns for added ones: %v", input, found)
		}
	}
}

// TestFindMoved moves the columns of a results file, and adds some of the user's.
func TestFindMoved(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		input := []string{"Address", "State", "Titel"}
		if random.IntN(2) == 0 {
			input[0] = "URL"
		}
		header, _ := Header(input)
		header = append(header, "Kommentar")
		random.Shuffle(len(header), func(i, j int) { header[i], header[j] = header[j], header[i] })
		got := own(header)
		got = slices.DeleteFunc(got, func(c string) bool { return c == URL && input[0] != "URL" }) // the order that shows it is gone
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(append(input, "Kommentar"))), got); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", header, diff)
		}
	}
}

func TestFindOfEarlierVersions(t *testing.T) {
	found, ok := Find(slices.Concat([]string{"Shop", "url", "state"}, []string{"shotline_state"}, oldest[1:], []string{"added"}))
	if !ok {
		t.Fatal("not recognized")
	}
	want := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if got := slices.Sorted(maps.Keys(found.Added)); !slices.Equal(got, want) || found.URL != -1 || found.Job != -1 {
		t.Errorf("got %v, url %d, job %d", got, found.URL, found.Job)
	}
}

func TestFindNeedsAllNames(t *testing.T) {
	for _, header := range [][]string{
		nil,
		{"url", "state", "line", "error", "cost", "row", "job_id"},
		append([]string{"url"}, oldest[1:]...),
		append([]string{"url", "State"}, oldest[1:]...),
		append([]string{"url"}, oldest[:len(oldest)-1]...),
	} {
		if found, ok := Find(header); ok {
			t.Errorf("%q: got %v", header, found)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("url,state")
	f.Add("a,shotline_state,state,job_id,row")
	f.Fuzz(func(t *testing.T, text string) {
		input := strings.Split(text, ",")
		if _, ok := Find(input); ok {
			return
		}
		header, _ := Header(input)
		found, ok := Find(header)
		if !ok {
			t.Fatalf("results of %q are not recognized", input)
		}
		if len(own(header)) != len(input) || found.Job < 0 {
			t.Fatalf("results of %q: found %v", input, found)
		}
	})
}
