package sandbox

import (
	"strconv"
	"time"
)

// How a delivery is signed, in the words of the ledger.
const (
	signatureValid = "valid"
	signatureWrong = "wrong"
	signatureNone  = "none"
)

// deliveryFaults holds the faults of one delivery. The zero value has none.
type deliveryFaults struct {
	cause       string        // fault that created this delivery; empty for a regular one
	signature   string        // signatureWrong or signatureNone; empty means as configured
	wait        time.Duration // before the first post
	reorderBy   int           // number of other posts to wait for, at most reorderWait
	reorderWait time.Duration
	follows     bool          // another delivery has it in then
	then        []*delivery   // deliveries to schedule after the first post of this one
	posted      chan struct{} // closed at the first post; may be nil
}

// applyWebhookFaults applies faults to regular deliveries and returns the
// deliveries to send. opposite returns the webhook of the opposite result; it is nil
// if there is none.
func (s *Server) applyWebhookFaults(f *faultPlan, due []*delivery, opposite func() Webhook) []*delivery {
	if f == nil {
		return due
	}
	var all []*delivery
	for _, d := range due {
		all = append(all, s.applyDeliveryFaults(f.part(d.app), d, opposite)...)
	}
	for _, d := range all {
		if d.state == deliveryWaiting && !d.follows {
			d.posted = f.posted
			return all
		}
	}
	if f.posted != nil {
		close(f.posted) // no delivery would close it
	}
	return all
}

// applyDeliveryFaults applies faults to the delivery for one app.
func (s *Server) applyDeliveryFaults(c trial, d *delivery, opposite func() Webhook) []*delivery {
	if s.hitsDelivery(c, d, faultWebhookDrop) {
		d.state, d.Body = deliveryDropped, nil
		return []*delivery{d}
	}
	all := []*delivery{d}
	if opposite != nil && s.hitsDelivery(c, d, faultWebhookContradict) {
		again := d.duplicate(faultWebhookContradict)
		again.Webhook = opposite()
		all = c.inOrder(d, again)
	}
	if s.hitsDelivery(c, d, faultWebhookDuplicate) {
		all = append(all, c.copies(d)...)
	}
	for i, d := range all {
		s.applyPostFaults(c.part("delivery "+strconv.Itoa(i)), d)
	}
	return all
}

// hitsDelivery reports whether a fault happens to a delivery. If it does,
// hitsDelivery records it.
func (s *Server) hitsDelivery(c trial, d *delivery, fault string) bool {
	if !c.hit(fault) {
		return false
	}
	s.store.recordFault(c, d.plan, fault)
	return true
}

// inOrder orders two contradictory deliveries as the fault requests. The second
// one waits for the first post of the first.
func (c trial) inOrder(truth, lie *delivery) []*delivery {
	first, second := truth, lie
	if c.choice(faultWebhookContradict, "lie", lieOrders) == "first" {
		first, second = lie, truth
	}
	second.wait, second.follows = c.delay(faultWebhookContradict), true
	first.then = append(first.then, second)
	return []*delivery{first, second}
}

// copies returns the additional deliveries of a duplicated delivery.
func (c trial) copies(d *delivery) []*delivery {
	var all []*delivery
	for i := range c.number(faultWebhookDuplicate, "times") - 1 {
		again := d.duplicate(faultWebhookDuplicate)
		again.wait = c.part("copy " + strconv.FormatInt(i, 10)).delay(faultWebhookDuplicate)
		all = append(all, again)
	}
	return all
}

// applyPostFaults applies the faults that change the signature or the time of one
// delivery.
func (s *Server) applyPostFaults(c trial, d *delivery) {
	switch {
	case s.hitsDelivery(c, d, faultWebhookUnsigned):
		d.signature = signatureNone
	case s.hitsDelivery(c, d, faultWebhookBadSignature):
		d.signature = signatureWrong
	}
	if s.hitsDelivery(c, d, faultWebhookDelay) {
		d.wait += c.delay(faultWebhookDelay)
	}
	if s.hitsDelivery(c, d, faultWebhookReorder) {
		d.reorderBy, d.reorderWait = int(c.number(faultWebhookReorder, "by")), c.delay(faultWebhookReorder)
	}
}

// duplicate returns another delivery of the same webhook, caused by a fault.
func (d *delivery) duplicate(fault string) *delivery {
	return &delivery{
		webhookSource: d.webhookSource, plan: d.plan, app: d.app, Webhook: d.Webhook, state: deliveryWaiting,
		deliveryFaults: deliveryFaults{cause: fault},
	}
}
