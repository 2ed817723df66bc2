package sandbox

import (
	"strconv"
	"time"
)

// How a delivery is signed, as the ledger words it.
const (
	signatureValid = "valid"
	signatureWrong = "wrong"
	signatureNone  = "none"
)

// mishap is what faults do to one delivery. The zero value is nothing.
type mishap struct {
	cause     string        // the fault that made this delivery; empty for one that is owed
	signature string        // signatureWrong or signatureNone; empty: as configured
	wait      time.Duration // before the first post
	overtaken int           // posts of others to wait for, patience at the longest
	patience  time.Duration
	follows   bool          // another delivery's `then` has it
	then      []*delivery   // due after the first post of this one
	posted    chan struct{} // to close at the first post; may be nil
}

// mishandle turns the webhooks that are due into those that faults make of
// them. lie words the opposite of what happened; nil where there is none.
func (s *Server) mishandle(f *fate, due []*delivery, lie func() notice) []*delivery {
	if f == nil {
		return due
	}
	var all []*delivery
	for _, d := range due {
		all = append(all, s.mishandleOne(f.part(d.app), d, lie)...)
	}
	for _, d := range all {
		if d.state == deliveryWaiting && !d.follows {
			d.posted = f.posted
			return all
		}
	}
	if f.posted != nil {
		close(f.posted) // nobody will
	}
	return all
}

// mishandleOne is mishandle for one app.
func (s *Server) mishandleOne(c chance, d *delivery, lie func() notice) []*delivery {
	if s.strikes(c, d, faultWebhookDrop) {
		d.state, d.body = deliveryDropped, nil
		return []*delivery{d}
	}
	all := []*delivery{d}
	if lie != nil && s.strikes(c, d, faultWebhookContradict) {
		again := d.again(faultWebhookContradict)
		again.notice = lie()
		all = c.inTurn(d, again)
	}
	if s.strikes(c, d, faultWebhookDuplicate) {
		all = append(all, c.copies(d)...)
	}
	for i, d := range all {
		s.disturb(c.part("delivery "+strconv.Itoa(i)), d)
	}
	return all
}

// strikes decides about a fault of a delivery and enters it in the books.
func (s *Server) strikes(c chance, d *delivery, fault string) bool {
	if !c.hit(fault) {
		return false
	}
	s.books.fire(c, d.fate, fault)
	return true
}

// inTurn lets a lie follow the truth, or the other way round.
func (c chance) inTurn(truth, lie *delivery) []*delivery {
	first, second := truth, lie
	if c.choice(faultWebhookContradict, "lie", lieOrders) == "first" {
		first, second = lie, truth
	}
	second.wait, second.follows = c.delay(faultWebhookContradict), true
	first.then = append(first.then, second)
	return []*delivery{first, second}
}

// copies are what a duplicated delivery is posted as besides itself.
func (c chance) copies(d *delivery) []*delivery {
	var all []*delivery
	for i := range c.number(faultWebhookDuplicate, "times") - 1 {
		again := d.again(faultWebhookDuplicate)
		again.wait = c.part("copy " + strconv.FormatInt(i, 10)).delay(faultWebhookDuplicate)
		all = append(all, again)
	}
	return all
}

// disturb decides about the signature and the time of one delivery.
func (s *Server) disturb(c chance, d *delivery) {
	switch {
	case s.strikes(c, d, faultWebhookUnsigned):
		d.signature = signatureNone
	case s.strikes(c, d, faultWebhookBadSignature):
		d.signature = signatureWrong
	}
	if s.strikes(c, d, faultWebhookDelay) {
		d.wait += c.delay(faultWebhookDelay)
	}
	if s.strikes(c, d, faultWebhookReorder) {
		d.overtaken, d.patience = int(c.number(faultWebhookReorder, "by")), c.delay(faultWebhookReorder)
	}
}

// again is a further delivery of the same, which a fault makes.
func (d *delivery) again(fault string) *delivery {
	return &delivery{
		told: d.told, fate: d.fate, app: d.app, notice: d.notice, state: deliveryWaiting,
		mishap: mishap{cause: fault},
	}
}
