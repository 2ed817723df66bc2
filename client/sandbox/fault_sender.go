package sandbox

import (
	"slices"
	"time"
)

// signatureKind returns how the delivery is signed if secret is the configured
// one.
func (m *deliveryFaults) signatureKind(secret string) string {
	switch {
	case m.signature != "":
		return m.signature
	case secret == "":
		return signatureNone
	default:
		return signatureValid
	}
}

// secret returns the key with which the delivery is signed. It returns "" if the
// delivery is not signed.
func (m *deliveryFaults) secret(configured string) string {
	switch m.signature {
	case signatureNone:
		return ""
	case signatureWrong:
		return WrongSecret(configured)
	default:
		return configured
	}
}

// schedule queues a delivery. If its faults delay or reorder it, it is queued
// later. The caller must hold the lock.
func (s *webhookSender) schedule(d *delivery) {
	switch {
	case s.closed:
	case d.wait > 0:
		wait := d.wait
		d.wait = 0
		s.timers[d] = time.AfterFunc(wait, func() { s.resume(d) })
	case d.reorderBy > 0:
		s.reordered = append(s.reordered, d)
		s.timers[d] = time.AfterFunc(d.reorderWait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.release(d)
		})
	default:
		s.enqueue(d)
	}
}

// enqueue appends a delivery to the queue. The caller must hold the lock.
func (s *webhookSender) enqueue(d *delivery) {
	s.queue = append(s.queue, d)
	s.changed.Signal()
}

func (s *webhookSender) resume(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.timers, d)
	s.schedule(d)
}

// release queues a delivery that was waiting for others to be posted. The caller
// must hold the lock.
func (s *webhookSender) release(d *delivery) {
	i := slices.Index(s.reordered, d)
	if i < 0 {
		return
	}
	s.timers[d].Stop()
	delete(s.timers, d)
	s.reordered = slices.Delete(s.reordered, i, i+1)
	s.enqueue(d)
}

// countPost counts one post for the deliveries that wait for others. It must be
// called before the posted delivery is settled, so that a delivery scheduled
// afterwards does not count this post.
func (s *webhookSender) countPost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range slices.Clone(s.reordered) {
		if d.reorderBy--; d.reorderBy <= 0 {
			s.release(d)
		}
	}
}

// firstPosted schedules the deliveries that wait for the first post of d and
// wakes a create that waits for it. Only the worker that processes d may call it,
// and only before the worker hands d on.
func (s *webhookSender) firstPosted(d *delivery) {
	if d.posted != nil {
		close(d.posted)
		d.posted = nil
	}
	if d.then == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, next := range d.then {
		s.schedule(next)
	}
	d.then = nil
}
