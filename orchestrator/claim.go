package orchestrator

import (
	"context"
	"time"
)

const (
	queryClaim = "ask about " // with a batch's id, the name of a claim; stored, so it must not change
	// queryClaimTime is how long such a claim lasts unless it is renewed: a little
	// more than a call of the vendor.
	queryClaimTime = 20 * time.Second
)

// claim keeps processes from sending the vendor the same queries at the same
// time. It is a tick of the store that its holder renews and gives back at the
// end. If the holder dies, others wait until the tick is due. If a claim is lost,
// its holder only queries in vain, since guarded updates decide.
type claim struct {
	o      *Orchestrator
	name   string
	lasts  time.Duration
	expiry time.Time
}

// claim returns nil if another process has a claim of this name.
func (o *Orchestrator) claim(ctx context.Context, name string, lasts time.Duration) (*claim, error) {
	now := o.clock.Now()
	c := &claim{o: o, name: name, lasts: lasts, expiry: now.Add(lasts)}
	claimed, err := o.store.ClaimTick(ctx, name, now, c.expiry)
	if err != nil || !claimed {
		return nil, err
	}
	return c, nil
}

// renew is called at each progress. It seldom writes.
func (c *claim) renew(ctx context.Context) {
	now := c.o.clock.Now()
	if c.expiry.Sub(now) > c.lasts/2 {
		return
	}
	expiry := now.Add(c.lasts)
	if claimed, err := c.o.store.ClaimTick(ctx, c.name, c.expiry, expiry); err != nil {
		c.o.log.Warn("renew claim", "name", c.name, "error", err)
	} else if claimed {
		c.expiry = expiry
	}
}

// release works after the end of ctx, too.
func (c *claim) release(ctx context.Context) {
	now := c.o.clock.Now()
	if !now.Before(c.expiry) {
		return // it is due, or another process has it by now
	}
	if _, err := c.o.store.ClaimTick(context.WithoutCancel(ctx), c.name, c.expiry, now); err != nil {
		c.o.log.Warn("release claim", "name", c.name, "error", err)
	}
}
