package callback

import (
	"fmt"
	"testing"
	"time"
)

// crowd are lanes and the callbacks that were asked for in a test.
type crowd struct {
	*lanes
	t     *testing.T
	asked int64
}

func newLanesOf(t *testing.T, each, slots int) *crowd {
	return &crowd{lanes: newLanes(each, slots), t: t}
}

// ask asks for an attempt of a new callback.
func (c *crowd) ask(name string) (*place, entry) {
	c.asked++
	return c.enter(turn{c.asked, 1, name})
}

// must asks, and fails when the answer is not the wanted one.
func (c *crowd) must(name string, want entry) *place {
	c.t.Helper()
	p, got := c.ask(name)
	if got != want || p != nil && p.turn.lane != name {
		c.t.Fatalf("lane %s said %d, want %d: %+v", name, got, want, p)
	}
	return p
}

// end ends attempts.
func (c *crowd) end(failed bool, took time.Duration, places ...*place) (isCrowded bool, woken []turn) {
	for _, p := range places {
		var woke []turn
		isCrowded, woke = p.ended(failed, took)
		woken = append(woken, woke...)
		p.leave()
	}
	return isCrowded, woken
}

// prove lets the first attempts of lanes succeed.
func (c *crowd) prove(names ...string) {
	c.t.Helper()
	for _, name := range names {
		c.end(false, 0, c.must(name, entered))
	}
}

func TestALaneHasAFewPlaces(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	c.prove("a", "b")
	first := c.must("a", entered)
	c.must("a", entered)
	c.must("a", busy)
	c.must("b", entered)
	first.leave()
	first.leave() // once is enough
	c.must("a", entered)
	c.must("a", busy)
}

// fail lets attempts of a lane fail.
func (c *crowd) fail(name string, n int) (isCrowded bool) {
	c.t.Helper()
	for range n {
		isCrowded, _ = c.end(true, 0, c.must(name, entered))
	}
	return isCrowded
}

func TestALaneThatFailsHasOnePlaceUntilItSucceeds(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	c.prove("a")
	c.fail("a", 2)
	p := c.must("a", entered)
	c.must("a", waits)
	p.leave() // without an attempt
	p, _ = c.ask("a")
	if p == nil || p.turn.seq != c.asked-1 {
		t.Fatalf("%+v was let in, want the one that waited", p)
	}
	_, woken := c.end(false, 0, p)
	if len(woken) != 1 || woken[0].seq != c.asked {
		t.Fatalf("woken %v, want the last one", woken)
	}
	c.must("a", entered)
	c.must("a", entered)
	c.must("a", busy)
}

func TestAnUntriedLaneHasOnePlaceUntilItSucceeds(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	p := c.must("a", entered)
	for range 3 {
		c.must("a", waits)
	}
	if again := c.next(); again != nil {
		t.Fatalf("%+v was let in beside it", again)
	}
	_, woken := c.end(false, 0, p)
	if len(woken) != 2 || woken[0] != (turn{2, 1, "a"}) || woken[1] != (turn{3, 1, "a"}) {
		t.Fatalf("woken %v, want two, as many as a lane may have", woken)
	}
	c.must("a", entered)
	c.must("a", entered)
	c.must(sinkPrefix+"a", entered) // is the operator's
	c.must(sinkPrefix+"a", entered)
	c.must(sinkPrefix+"a", busy)
}

func TestLanesThatFailOrAreSlowOrUntriedLeaveHalfOfTheSlots(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	c.prove("slow", "healthy")
	c.end(false, slowAnswer, c.must("slow", entered))
	for n := range 2 {
		c.fail(fmt.Sprint("dead", n), 2)
		c.must(fmt.Sprint("dead", n), entered)
	}
	c.must("untried", entered)
	c.must("slow", entered)
	c.must("slow", waits)
	c.must("untried, too", waits)
	c.must("healthy", entered)
	c.must("healthy", entered)
}

// hang asks for attempts of n lanes below a domain, and returns those that began.
func (c *crowd) hang(domain string, n int) (underWay []*place) {
	for i := range n {
		if p, _ := c.ask(fmt.Sprintf("https://h%d.%s", i, domain)); p != nil {
			underWay = append(underWay, p)
		}
	}
	return underWay
}

// round lets the attempts under way time out and returns those that follow.
func (c *crowd) round(underWay []*place) (following []*place) {
	c.end(true, attemptTime, underWay...)
	for p := c.next(); p != nil; p = c.next() {
		following = append(following, p)
	}
	return following
}

func TestNewHostsBelowOneDomainTakeAQuarterOfTheSlots(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	c.prove("https://known.example", "https://other.example")
	underWay := c.hang("attack.example", 5000)
	for round := range 3 {
		if len(underWay) != 8 {
			t.Errorf("round %d: %d attempts of hanging hosts under way, want 8", round, len(underWay))
		}
		for _, name := range []string{"https://known.example", "https://other.example"} {
			c.end(false, 0, c.must(name, entered), c.must(name, entered), c.must(name, entered), c.must(name, entered))
		}
		c.prove(fmt.Sprintf("https://www.new%d.example", round))
		underWay = c.round(underWay)
	}
}

// waitsFor is after how many rounds of attempts a lane gets its turn.
func (c *crowd) waitsFor(name string, underWay []*place, meanwhile func(round int)) (rounds int) {
	c.must(name, waits)
	for rounds = 1; rounds < 100; rounds++ {
		underWay = c.round(underWay)
		for _, p := range underWay {
			if p.turn.lane == name {
				return rounds
			}
		}
		meanwhile(rounds)
	}
	return rounds
}

func TestANewHostWaitsForOneAttemptOfEachDomainBeforeIt(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	var underWay []*place
	for n := range 64 {
		underWay = append(underWay, c.hang(fmt.Sprintf("attack%d.example", n), 20)...)
	}
	later := 1000
	rounds := c.waitsFor("https://new.example", underWay, func(int) {
		for range 64 {
			c.hang(fmt.Sprintf("attack%d.example", later), 20)
			later++
		}
	})
	// Of 64 domains 8 have an attempt under way, and those of the others follow, 16
	// at a time, half of them of domains that are known to hang.
	if rounds > 1+64/8 {
		t.Errorf("waited for %d rounds", rounds)
	}
}

func TestANewHostDoesNotWaitForDomainsThatAreKnownToHang(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	var underWay []*place
	for n := range 64 {
		underWay = append(underWay, c.hang(fmt.Sprintf("attack%d.example", n), 20)...)
	}
	for range 20 {
		underWay = c.round(underWay)
	}
	if rounds := c.waitsFor("https://new.example", underWay, func(int) {}); rounds != 1 {
		t.Errorf("waited for %d rounds", rounds)
	}
}

func TestANewHostBelowADomainOfHangingOnesGetsItsTurn(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	underWay := c.hang("shared.example", 46)
	if rounds := c.waitsFor("https://honest.shared.example", underWay, func(int) {}); rounds > 46/8+1 {
		t.Errorf("waited for %d rounds", rounds)
	}
}

func TestADomainTakesHalfOfTheSlotsAtMost(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	for n := range 5 {
		c.prove(fmt.Sprintf("https://h%d.attack.example", n))
	}
	for n := range 4 {
		for range 4 {
			c.must(fmt.Sprintf("https://h%d.attack.example", n), entered)
		}
	}
	c.must("https://h4.attack.example", busy)
	c.must("https://new.example", entered)
}

func TestACallbackWaitsOnceByItsNewestGeneration(t *testing.T) {
	c := newLanesOf(t, 2, 2)
	p := c.must("a", entered)
	for generation := range int64(3) {
		c.enter(turn{77, generation, "b"})
	}
	c.end(true, 0, p)
	p = c.next()
	if p == nil || p.turn != (turn{77, 2, "b"}) {
		t.Fatalf("%+v was let in", p)
	}
	p.leave()
	if p = c.next(); p != nil {
		t.Errorf("%+v was let in as well", p)
	}
}

func TestALaneIsCrowdedAfterManyFailures(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	if c.fail("a", crowded) {
		t.Error("too early")
	}
	if !c.fail("a", 1) {
		t.Error("not at all")
	}
}

func TestNewHostsPushNoProvenOneOut(t *testing.T) {
	c := newLanesOf(t, 2, 8)
	c.prove("https://fine.example")
	for range 3 {
		c.must("left without an attempt", entered).leave()
	}
	if len(c.lanes.lanes) != 1 {
		t.Errorf("%d are remembered", len(c.lanes.lanes))
	}
	stays := c.must("under way", entered)
	for n := range maxLanes + 10 {
		name := fmt.Sprintf("https://h%d.attack.example", n)
		if n%2 == 0 {
			c.fail(name, 1)
		} else {
			c.prove(name)
		}
	}
	if len(c.lanes.lanes) > maxLanes || c.lanes.lanes["under way"] == nil || !c.lanes.lanes["https://fine.example"].isProven {
		t.Errorf("%d are remembered", len(c.lanes.lanes))
	}
	stays.leave()
	if c.sharedNow != 0 || c.line.waiting != 0 || len(c.line.groups) != 0 {
		t.Errorf("%d under way, %d wait", c.sharedNow, c.line.waiting)
	}
}

func TestTheLineIsBounded(t *testing.T) {
	c := newLanesOf(t, 4, 32)
	c.hang("attack.example", 2*maxWaiting)
	if c.line.waiting != maxWaiting {
		t.Errorf("%d wait", c.line.waiting)
	}
	c.must("https://www.new.example", entered)
}

func TestGroups(t *testing.T) {
	for lane, want := range map[string]string{
		"https://a.b.example.com:8443": "example.com", "http://example.com": "example.com", "https://example.com.": "example.com",
		"https://shop.example.co.uk": "example.co.uk", "https://me.github.io": "me.github.io",
		"http://8.8.8.8:1": publicAddresses, "http://[2606:4700::1]:80": publicAddresses, "http://[::ffff:8.8.8.8]": publicAddresses,
		"http://10.0.0.1:8080": "http://10.0.0.1:8080", "http://127.0.0.1:9": "http://127.0.0.1:9", "http://[fd00::1]": "http://[fd00::1]",
		"http://hooks:8080": "http://hooks:8080", "http://localhost": "http://localhost", "sink:ops.example": "sink:ops.example", kindURL: kindURL,
	} {
		if got := groupOf(lane); got != want {
			t.Errorf("%s is of %q, want %q", lane, got, want)
		}
	}
}
