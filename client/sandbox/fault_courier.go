package sandbox

import (
	"slices"
	"time"
)

// signatureKind is how the delivery is signed where this secret is configured.
func (m *mishap) signatureKind(secret string) string {
	switch {
	case m.signature != "":
		return m.signature
	case secret == "":
		return signatureNone
	default:
		return signatureValid
	}
}

// secret is what the delivery is signed with; empty means not at all.
func (m *mishap) secret(configured string) string {
	switch m.signature {
	case signatureNone:
		return ""
	case signatureWrong:
		return "not " + configured
	default:
		return configured
	}
}

// admit lets a delivery in: to the queue, or first to what its faults make it
// wait for. The caller holds the lock.
func (c *courier) admit(d *delivery) {
	switch {
	case c.closed:
	case d.wait > 0:
		wait := d.wait
		d.wait = 0
		c.pausing[d] = time.AfterFunc(wait, func() { c.readmit(d) })
	case d.overtaken > 0:
		c.held = append(c.held, d)
		c.pausing[d] = time.AfterFunc(d.patience, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.unhold(d)
		})
	default:
		c.enqueue(d)
	}
}

// enqueue makes a delivery the last one to be posted. The caller holds the
// lock.
func (c *courier) enqueue(d *delivery) {
	c.ready = append(c.ready, d)
	c.changed.Signal()
}

func (c *courier) readmit(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pausing, d)
	c.admit(d)
}

// unhold ends the waiting of a held delivery. The caller holds the lock.
func (c *courier) unhold(d *delivery) {
	i := slices.Index(c.held, d)
	if i < 0 {
		return
	}
	c.pausing[d].Stop()
	delete(c.pausing, d)
	c.held = slices.Delete(c.held, i, i+1)
	c.enqueue(d)
}

// overtake counts one post for the deliveries that wait to be overtaken. It
// comes before the post's delivery is done with: what is held later does not
// count it.
func (c *courier) overtake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range slices.Clone(c.held) {
		if d.overtaken--; d.overtaken <= 0 {
			c.unhold(d)
		}
	}
}

// passed lets go what waits for the first post of a delivery. Only the worker
// that holds the delivery may call it, before it gives the delivery away.
func (c *courier) passed(d *delivery) {
	if d.posted != nil {
		close(d.posted)
		d.posted = nil
	}
	if d.then == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, next := range d.then {
		c.admit(next)
	}
	d.then = nil
}
