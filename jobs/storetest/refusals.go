package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var refusalTests = []test{
	{"the newest refusals are kept", func(f *fixture) {
		wantSame(f, "refusals of a new store", len(f.refusals()), 0)
		refusal := func(i int) jobs.Refusal {
			return jobs.Refusal{At: f.now.Add(time.Duration(i) * time.Second), Path: fmt.Sprint("/", i), Result: "signature", Status: 401,
				Reason: "signature missing", Headers: []string{"Content-Type", "X-Ä"}, More: i}
		}
		f.must(f.AddRefusals(f.ctx(), nil), "add no refusals")
		n := 0
		for _, group := range []int{1, 3, jobs.MaxRefusals, 20, jobs.MaxRefusals + 7, 1} {
			var refusals []jobs.Refusal
			for range group {
				refusals = append(refusals, refusal(n))
				n++
			}
			f.must(f.AddRefusals(f.ctx(), refusals), "add %d refusals", group)
			got := f.refusals()
			wantSame(f, "refusals", len(got), min(n, jobs.MaxRefusals))
			for i, r := range got {
				want := refusal(n - 1 - i)
				if want.Seq = r.Seq; i > 0 && r.Seq >= got[i-1].Seq {
					f.t.Fatalf("place %d comes after %d", r.Seq, got[i-1].Seq)
				}
				if diff := cmp.Diff(want, r, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
					f.t.Fatalf("the refusal changed (-given +kept):\n%s", diff)
				}
			}
		}
	}},
}

func (f *fixture) refusals() []jobs.Refusal {
	f.t.Helper()
	newest, err := f.Refusals(f.ctx())
	f.must(err, "refusals")
	return newest
}
