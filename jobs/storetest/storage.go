package storetest

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var storageTests = []test{
	{"all openers of a store see the same id", func(f *fixture) {
		stores := f.twoStores()
		ids := make(chan string, 16)
		var runners []func() error
		for i := range cap(ids) {
			runners = append(runners, func() error {
				id, err := stores[i%2].Identity(f.ctx())
				ids <- id
				return err
			})
		}
		simultaneously(f, runners...)
		close(ids)
		first := <-ids
		if len(first) < 12 || strings.Trim(first, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			f.t.Fatalf("identity %q, want at least twelve of a-z and 0-9", first)
		}
		for id := range ids {
			wantSame(f, "identity", id, first)
		}
		again, err := f.openStore().Identity(f.ctx())
		f.must(err, "identify")
		wantSame(f, "identity after opening again", again, first)
	}},
	{"changes are kept after reopening", func(f *fixture) {
		first := f.harness.Open(f.t)
		f.open("b1", pages(4)...)
		ids := f.pending("b1", 2)
		f.leaseAndDoubt("b1", 1)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.later(time.Second)
		held := f.delivery("held", jobs.OutcomeDone)
		_, err := first.AppendDelivery(f.ctx(), held)
		f.must(err, "append delivery")
		f.must(first.Close(), "close")

		other := *f
		other.Store = f.openStore()
		for _, id := range []jobs.ID{row("b1", 1), row("b1", 2), row("b1", 3), row("b1", 4)} {
			if diff := cmp.Diff(f.job(id), other.job(id)); diff != "" {
				f.t.Fatalf("job %s differs between two openers:\n%s", id, diff)
			}
		}
		wantSame(f, "held", other.apply().Held, 1)
		wantSame(f, "deliveries", len(other.inbox()), 2)
		f.wantDisposition("held", jobs.DispositionHeld)
	}},
}
