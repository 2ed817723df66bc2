package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
)

// TestSpanOfALog searches a log with gaps for every time.
func TestSpanOfALog(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "span.db"))
	const n = 40
	for i := range n {
		_, err := s.AppendDelivery(t.Context(), jobs.Delivery{ReceivedAt: noon.Add(time.Duration(i) * time.Second), Body: []byte("{}")})
		must(t, err)
	}
	must(t, s.write(t.Context(), func(tx *tx) error { // leaves places 5, 10, …, 40
		_, err := tx.exec(`DELETE FROM inbox WHERE seq % 5 <> 0`)
		return err
	}))
	for _, limit := range []int64{4, 11, 100} {
		for from := -2; from <= n+2; from++ {
			want := fmt.Sprintf("%d to %d", 41, 40)
			for place := int64(5); place <= n; place += 5 {
				if place-1 < int64(from) { // the time of place 5 is noon + 4 s
					continue
				}
				last := int64(n)
				if last-place >= limit {
					for last = place + limit; last%5 != 0; last++ {
					}
				}
				want = fmt.Sprintf("%d to %d", place, last)
				if last < n {
					want += fmt.Sprint(noon.Add(time.Duration(last-1) * time.Second))
				}
				break
			}
			must(t, s.look(t.Context(), func(v view) error {
				first, last, to, err := v.span(inboxLog, noon.Add(time.Duration(from)*time.Second), limit)
				got := fmt.Sprintf("%d to %d", first, last)
				if !to.IsZero() {
					got += fmt.Sprint(to)
				}
				if got != want {
					t.Errorf("limit %d, from second %d: got %s, want %s", limit, from, got, want)
				}
				return err
			}))
		}
	}
	empty := openAt(t, filepath.Join(t.TempDir(), "empty.db"))
	must(t, empty.look(t.Context(), func(v view) error {
		first, last, to, err := v.span(eventLog, noon, 10)
		if first <= last || !to.IsZero() {
			t.Errorf("the span of an empty log is %d to %d, %v", first, last, to)
		}
		return err
	}))
}
