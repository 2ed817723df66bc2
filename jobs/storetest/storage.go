package storetest

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var storageTests = []test{
	{"all who open a store know it by one id", func(b *book) {
		stores := b.openers()
		ids := make(chan string, 16)
		var runners []func() error
		for i := range cap(ids) {
			runners = append(runners, func() error {
				id, err := stores[i%2].Identity(b.ctx())
				ids <- id
				return err
			})
		}
		race(b, runners...)
		close(ids)
		first := <-ids
		if len(first) < 12 || strings.Trim(first, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			b.t.Fatalf("identity %q, want at least twelve of a-z and 0-9", first)
		}
		for id := range ids {
			wantSame(b, "identity", id, first)
		}
		again, err := b.second().Identity(b.ctx())
		b.must(err, "identify")
		wantSame(b, "identity after opening again", again, first)
	}},
	{"what was done is there after opening again", func(b *book) {
		first := b.harness.Open(b.t)
		b.open("b1", pages(4)...)
		ids := b.pending("b1", 2)
		b.doubted("b1", 1)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.later(time.Second)
		held := b.told("held", jobs.OutcomeDone)
		_, err := first.AppendDelivery(b.ctx(), held)
		b.must(err, "append delivery")
		b.must(first.Close(), "close")

		other := *b
		other.Store = b.second()
		for _, id := range []jobs.ID{row("b1", 1), row("b1", 2), row("b1", 3), row("b1", 4)} {
			if diff := cmp.Diff(b.job(id), other.job(id)); diff != "" {
				b.t.Fatalf("job %s differs between two openers:\n%s", id, diff)
			}
		}
		wantSame(b, "held", other.apply().Held, 1)
		wantSame(b, "deliveries", len(other.inbox()), 2)
		b.wantDisposition("held", jobs.DispositionHeld)
	}},
}
