package sqlite

import (
	"fmt"
	"time"
)

// logForeign is for the events of deliveries that are found to be foreign.
const logForeign = `INSERT INTO events (type, batch_seq, delivery, at) SELECT 'screenshot.foreign', 0, seq, `

// tellForeign is for those that judgeUnknown has found.
const tellForeign = logForeign + `?1 FROM inbox
	WHERE seq IN (SELECT delivery FROM outcomes WHERE job_seq IS NULL) AND disposition = 'foreign' ORDER BY seq`

// releaseChunk is how many held deliveries one transaction releases: a flood of
// strangers' deliveries may have been held for one doubt.
const releaseChunk = 2000

const releasable = ` FROM inbox WHERE disposition = 'held' AND disposition <> '' AND seq <= coalesce(?1, 9223372036854775807) ORDER BY seq LIMIT +?2`

const (
	tellReleased = logForeign + `?3` + releasable
	releaseUpTo  = `UPDATE inbox SET disposition = 'foreign' WHERE seq IN (SELECT seq` + releasable + `)`
)

// releaseHeld makes held deliveries foreign that can belong to nobody any more,
// oldest first and at most releaseChunk of them.
func (t *tx) releaseHeld(at time.Time) (int, error) {
	oldest, err := t.oldestIntent()
	if err != nil {
		return 0, err
	}
	n, err := t.exec(tellReleased, oldest, releaseChunk, at.UnixMilli())
	if err == nil && n > 0 {
		if n, err = t.exec(releaseUpTo, oldest, releaseChunk); err == nil {
			err = t.heldLess()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("release held deliveries: %w", err)
	}
	return int(n), nil
}
