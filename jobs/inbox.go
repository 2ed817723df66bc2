package jobs

import (
	"context"
	"time"
)

// Inbox keeps the deliveries of the vendor.
//
// A delivery of an unknown screenshot might belong to a create whose response is
// missing. It is held as long as such a create exists. That can take days: if a
// job is queued to be sent again and its batch is paused, its lost create stays
// open, while the vendor delivers everything else that the account makes. The
// number of held deliveries is limited without losing one that might be ours:
//
//   - The vendor knows the owner of a screenshot, because each create carries the
//     tag of its submission, and a lost create can be found only by that tag. So
//     if many deliveries are held, the vendor is queried about those that are
//     older than any create that might still be answered. If the screenshot has
//     the tag of a submission, it is observed and its deliveries are applied. If
//     it has no such tag, no later look-up can assign it to us, and it is
//     disowned.
//   - If the vendor cannot be queried, or new deliveries arrive faster than it
//     answers, the store refuses a delivery that it would have to hold. It is not
//     acknowledged, so the vendor sends it again. Acknowledged deliveries stay.
//     Deliveries of known screenshots are accepted as always.
//
// To drop the oldest instead could lose one of ours. To drop only repeats would
// set no limit.
type Inbox interface {
	// AppendDelivery stores one delivery and returns its place once it is on disk.
	// Concurrent calls share commits. The context limits only the wait: if the
	// caller gives up, the delivery might still be stored. If the store holds as
	// many deliveries as its limit allows, it refuses the final result of an
	// unknown screenshot with ErrUnavailable. Deliveries that were appended before
	// and are not applied yet can still exceed the limit.
	AppendDelivery(ctx context.Context, d Delivery) (seq int64, err error)
	// ApplyInbox applies up to limit deliveries in order and advances the cursor in
	// the same transaction, so that no delivery is applied twice even if several
	// processes do this. A delivery of an unknown screenshot is held if there is an
	// open intent or doubt older than its arrival; otherwise it is foreign. Held
	// deliveries that can no longer belong to a submission become foreign, a
	// limited number at a time. If a delivery makes the transaction fail, it is
	// found by halving the range. If wrong counters of its batch are the cause,
	// they are corrected and the delivery is applied. Otherwise it is set aside
	// with the error.
	ApplyInbox(ctx context.Context, at time.Time, limit int) (Applied, error)
	// Disown makes the held deliveries of these screenshots foreign, because the
	// vendor reported that they belong to no submission. Deliveries whose
	// screenshot was adopted in the meantime are no longer held and are skipped. It
	// returns the number of deliveries that became foreign.
	Disown(ctx context.Context, screenshots []string, at time.Time) (int, error)
	// AddRefusals records webhooks that were not accepted. Only the newest MaxRefusals
	// are kept.
	AddRefusals(ctx context.Context, refusals []Refusal) error
	// Deliveries returns a page of the inbox after a place, oldest first, each with
	// its disposition. Deliveries after the cursor are not applied yet.
	Deliveries(ctx context.Context, after int64, limit int) (page []KeptDelivery, cursor int64, err error)
}

// KeptDelivery is a delivery in the inbox.
type KeptDelivery struct {
	Delivery
	Disposition Disposition
	AsideError  string
}
