package callback

import (
	"fmt"
	"testing"
	"time"
)

// laneTest numbers the callbacks for which a test requests slots.
type laneTest struct {
	*lanes
	t   *testing.T
	seq int64
}

func newLaneTest(t *testing.T, each, slots int) *laneTest {
	return &laneTest{lanes: newLanes(each, slots), t: t}
}

// request requests a slot for a new callback.
func (lt *laneTest) request(name string) (*slot, admission) {
	lt.seq++
	return lt.acquire(task{lt.seq, 1, name})
}

// must requests a slot, and fails the test if the admission is not the wanted
// one.
func (lt *laneTest) must(name string, want admission) *slot {
	lt.t.Helper()
	s, got := lt.request(name)
	if got != want || s != nil && s.task.lane != name {
		lt.t.Fatalf("lane %s: got admission %d, want %d; slot %+v", name, got, want, s)
	}
	return s
}

// end records the result of attempts and releases their slots.
func (lt *laneTest) end(failed bool, took time.Duration, slots ...*slot) (isLongFailing bool, ready []task) {
	for _, s := range slots {
		var waiting []task
		isLongFailing, waiting = s.record(failed, took)
		ready = append(ready, waiting...)
		s.release()
	}
	return isLongFailing, ready
}

// prove makes a successful attempt in each lane.
func (lt *laneTest) prove(names ...string) {
	lt.t.Helper()
	for _, name := range names {
		lt.end(false, 0, lt.must(name, admitted))
	}
}

func TestLaneHasAFewSlots(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	lt.prove("a", "b")
	first := lt.must("a", admitted)
	lt.must("a", admitted)
	lt.must("a", busy)
	lt.must("b", admitted)
	first.release()
	first.release() // has no effect
	lt.must("a", admitted)
	lt.must("a", busy)
}

// fail makes n failed attempts in a lane.
func (lt *laneTest) fail(name string, n int) (isLongFailing bool) {
	lt.t.Helper()
	for range n {
		isLongFailing, _ = lt.end(true, 0, lt.must(name, admitted))
	}
	return isLongFailing
}

func TestFailingLaneHasOneSlot(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	lt.prove("a")
	lt.fail("a", 2)
	s := lt.must("a", admitted)
	lt.must("a", queued)
	s.release() // without an attempt
	s, _ = lt.request("a")
	if s == nil || s.task.seq != lt.seq-1 {
		t.Fatalf("got slot %+v, want one for the waiting callback", s)
	}
	_, ready := lt.end(false, 0, s)
	if len(ready) != 1 || ready[0].seq != lt.seq {
		t.Fatalf("got ready %v, want the last callback", ready)
	}
	lt.must("a", admitted)
	lt.must("a", admitted)
	lt.must("a", busy)
}

func TestUnprovenLaneHasOneSlot(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	s := lt.must("a", admitted)
	for range 3 {
		lt.must("a", queued)
	}
	if again := lt.next(); again != nil {
		t.Fatalf("got a second slot %+v", again)
	}
	_, ready := lt.end(false, 0, s)
	if len(ready) != 2 || ready[0] != (task{2, 1, "a"}) || ready[1] != (task{3, 1, "a"}) {
		t.Fatalf("got ready %v, want perLane callbacks", ready)
	}
	lt.must("a", admitted)
	lt.must("a", admitted)
	lt.must(sinkPrefix+"a", admitted) // sinks count as proven
	lt.must(sinkPrefix+"a", admitted)
	lt.must(sinkPrefix+"a", busy)
}

func TestUnhealthyLanesShareHalfOfTheSlots(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	lt.prove("slow", "healthy")
	lt.end(false, slowAttempt, lt.must("slow", admitted))
	for n := range 2 {
		lt.fail(fmt.Sprint("dead", n), 2)
		lt.must(fmt.Sprint("dead", n), admitted)
	}
	lt.must("untried", admitted)
	lt.must("slow", admitted)
	lt.must("slow", queued)
	lt.must("another untried", queued)
	lt.must("healthy", admitted)
	lt.must("healthy", admitted)
}

// hang requests slots for n lanes below a domain, and returns those it got.
func (lt *laneTest) hang(domain string, n int) (underWay []*slot) {
	for i := range n {
		if s, _ := lt.request(fmt.Sprintf("https://h%d.%s", i, domain)); s != nil {
			underWay = append(underWay, s)
		}
	}
	return underWay
}

// round makes the attempts under way time out, and returns the slots of those
// that follow.
func (lt *laneTest) round(underWay []*slot) (following []*slot) {
	lt.end(true, attemptTime, underWay...)
	for s := lt.next(); s != nil; s = lt.next() {
		following = append(following, s)
	}
	return following
}

func TestHostsOfOneDomainShareAQuarterOfTheSlots(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	lt.prove("https://known.example", "https://other.example")
	underWay := lt.hang("attack.example", 5000)
	for round := range 3 {
		if len(underWay) != 8 {
			t.Errorf("round %d: got %d attempts of hanging hosts, want 8", round, len(underWay))
		}
		for _, name := range []string{"https://known.example", "https://other.example"} {
			lt.end(false, 0, lt.must(name, admitted), lt.must(name, admitted), lt.must(name, admitted), lt.must(name, admitted))
		}
		lt.prove(fmt.Sprintf("https://www.new%d.example", round))
		underWay = lt.round(underWay)
	}
}

// waitsFor returns the number of rounds of attempts after which a lane gets a
// slot.
func (lt *laneTest) waitsFor(name string, underWay []*slot, meanwhile func(round int)) (rounds int) {
	lt.must(name, queued)
	for rounds = 1; rounds < 100; rounds++ {
		underWay = lt.round(underWay)
		for _, s := range underWay {
			if s.task.lane == name {
				return rounds
			}
		}
		meanwhile(rounds)
	}
	return rounds
}

func TestNewHostWaitsForOneAttemptOfEachDomain(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	var underWay []*slot
	for n := range 64 {
		underWay = append(underWay, lt.hang(fmt.Sprintf("attack%d.example", n), 20)...)
	}
	later := 1000
	rounds := lt.waitsFor("https://new.example", underWay, func(int) {
		for range 64 {
			lt.hang(fmt.Sprintf("attack%d.example", later), 20)
			later++
		}
	})
	// Of the 64 domains, 8 have an attempt under way. The attempts of the others
	// follow, 16 at a time, half of them of unhealthy domains.
	if rounds > 1+64/8 {
		t.Errorf("got a slot after %d rounds", rounds)
	}
}

func TestNewHostDoesNotWaitForUnhealthyDomains(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	var underWay []*slot
	for n := range 64 {
		underWay = append(underWay, lt.hang(fmt.Sprintf("attack%d.example", n), 20)...)
	}
	for range 20 {
		underWay = lt.round(underWay)
	}
	if rounds := lt.waitsFor("https://new.example", underWay, func(int) {}); rounds != 1 {
		t.Errorf("got a slot after %d rounds", rounds)
	}
}

func TestNewHostOfAnUnhealthyDomainGetsASlot(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	underWay := lt.hang("shared.example", 46)
	if rounds := lt.waitsFor("https://honest.shared.example", underWay, func(int) {}); rounds > 46/8+1 {
		t.Errorf("got a slot after %d rounds", rounds)
	}
}

func TestDomainUsesAtMostHalfOfTheSlots(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	for n := range 5 {
		lt.prove(fmt.Sprintf("https://h%d.attack.example", n))
	}
	for n := range 4 {
		for range 4 {
			lt.must(fmt.Sprintf("https://h%d.attack.example", n), admitted)
		}
	}
	lt.must("https://h4.attack.example", busy)
	lt.must("https://new.example", admitted)
}

func TestWaitingCallbackHasItsNewestGeneration(t *testing.T) {
	lt := newLaneTest(t, 2, 2)
	s := lt.must("a", admitted)
	for generation := range int64(3) {
		lt.acquire(task{77, generation, "b"})
	}
	lt.end(true, 0, s)
	s = lt.next()
	if s == nil || s.task != (task{77, 2, "b"}) {
		t.Fatalf("got slot %+v, want one for generation 2", s)
	}
	s.release()
	if s = lt.next(); s != nil {
		t.Errorf("got another slot %+v", s)
	}
}

func TestLaneIsLongFailingAfterManyFailures(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	if lt.fail("a", longFailing) {
		t.Error("long failing too early")
	}
	if !lt.fail("a", 1) {
		t.Error("not long failing")
	}
}

func TestNewHostsDoNotEvictProvenOnes(t *testing.T) {
	lt := newLaneTest(t, 2, 8)
	lt.prove("https://fine.example")
	for range 3 {
		lt.must("left without an attempt", admitted).release()
	}
	if len(lt.lanes.lanes) != 1 {
		t.Errorf("got %d lanes", len(lt.lanes.lanes))
	}
	stays := lt.must("under way", admitted)
	for n := range maxLanes + 10 {
		name := fmt.Sprintf("https://h%d.attack.example", n)
		if n%2 == 0 {
			lt.fail(name, 1)
		} else {
			lt.prove(name)
		}
	}
	if len(lt.lanes.lanes) > maxLanes || lt.lanes.lanes["under way"] == nil || !lt.lanes.lanes["https://fine.example"].isProven {
		t.Errorf("got %d lanes", len(lt.lanes.lanes))
	}
	stays.release()
	if lt.sharedUnderWay != 0 || lt.queue.size != 0 || len(lt.queue.groups) != 0 {
		t.Errorf("got %d under way and %d waiting, want none", lt.sharedUnderWay, lt.queue.size)
	}
}

func TestQueueIsBounded(t *testing.T) {
	lt := newLaneTest(t, 4, 32)
	lt.hang("attack.example", 2*maxWaiting)
	if lt.queue.size != maxWaiting {
		t.Errorf("got %d waiting callbacks", lt.queue.size)
	}
	lt.must("https://www.new.example", admitted)
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
			t.Errorf("groupOf(%s) = %q, want %q", lane, got, want)
		}
	}
}
