package jobs

import (
	"context"
	"time"
)

// Inbox is what the vendor told us.
//
// A delivery of an unknown screenshot may belong to a create whose answer we do
// not have, and is held as long as there is such a create. That may be long: a
// job that was queued to be sent anew, in a batch that is paused, leaves its lost
// create open for days, while everything else that the account makes is
// delivered to us. What is held is bounded all the same, without losing one
// that may be ours:
//
//   - The vendor knows whose a screenshot is: each create carries the tag of its
//     submission, and a lost create can be found by that tag alone. So when many
//     deliveries are held, the vendor is asked about those that are older than any
//     create which may still be answered. If the screenshot has the tag of a
//     submission, that is observed, and the deliveries are applied. If it has not,
//     no later look-up can find it for one of ours, and it is disowned.
//   - While the vendor cannot be asked, or new ones come faster than it answers,
//     the bound refuses what would be held: the delivery is not acknowledged, and
//     the vendor sends it again. What was acknowledged stays. Deliveries of
//     screenshots that we know are taken as ever.
//
// Dropping the oldest instead, or repeats alone, would lose ours or bound nothing.
type Inbox interface {
	// AppendDelivery keeps one delivery and returns its place once it is on
	// disk. Concurrent calls share commits. The context bounds only the wait:
	// a delivery whose caller gave up may still be kept. While as many are held as
	// the store's bound allows, the end of a screenshot that no submission has is
	// refused with ErrUnavailable. What was appended before the bound was reached,
	// and not applied yet, may still be held beyond it.
	AppendDelivery(ctx context.Context, d Delivery) (seq int64, err error)
	// ApplyInbox takes up to limit deliveries in order and applies them, and
	// advances the cursor in the same transaction, so that no delivery is
	// applied twice, whoever else does the same. A delivery of an unknown
	// screenshot is held while an open intent (or doubt) is older than its
	// arrival, and otherwise foreign; held ones that can belong to nobody any
	// more become foreign, a portion at a time. A delivery that makes the
	// transaction fail is found by halving. Where wrong counters of its batch are
	// the cause they are set right, and it is applied; else it is put aside with
	// the error.
	ApplyInbox(ctx context.Context, at time.Time, limit int) (Applied, error)
	// Disown makes the held deliveries of these screenshots foreign, since the
	// vendor says that they belong to no submission. One whose screenshot was
	// adopted meanwhile is not held any more, and passed over. It returns how many
	// there were.
	Disown(ctx context.Context, screenshots []string, at time.Time) (int, error)
	// Deliveries reads the inbox after a place, oldest first, with what became
	// of each; a delivery beyond the cursor is not applied yet.
	Deliveries(ctx context.Context, after int64, limit int) (page []KeptDelivery, cursor int64, err error)
}

// KeptDelivery is a delivery as the inbox has it.
type KeptDelivery struct {
	Delivery
	Disposition Disposition
	AsideError  string
}
