package sandbox

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxSubjects bounds how many subjects' occurrences are counted. Beyond it the
// oldest is forgotten: its next occurrence is its first again.
const maxSubjects = 200_000

// maxSubject is how much of a subject is kept, in bytes.
const maxSubject = 500

// trap is a fault ready to spring.
type trap struct {
	name        string
	probability float64
	spans       map[string]span
}

// faultSet is the faults in force. What happens to a subject depends on the
// seed, the fault, the subject and its occurrence alone, so that a run repeats
// whatever order its goroutines come in.
type faultSet struct {
	seed   int64
	faults []Fault // as given
	traps  map[string]trap

	mu       sync.Mutex
	seen     map[string]int // occurrences by subject
	subjects []string       // keys of seen, oldest first
}

// newFaultSet compiles faults; without any it returns nil, which is a valid
// set in which nothing ever happens.
func newFaultSet(faults []Fault, seed int64) (*faultSet, error) {
	if len(faults) == 0 {
		return nil, nil
	}
	f := &faultSet{
		seed:   seed,
		faults: slices.Clone(faults),
		traps:  make(map[string]trap, len(faults)),
		seen:   make(map[string]int),
	}
	for _, fault := range faults {
		t, err := fault.compile()
		if err != nil {
			return nil, err
		}
		if _, twice := f.traps[t.name]; twice {
			return nil, fmt.Errorf("fault %s is given twice", t.name)
		}
		f.traps[t.name] = t
	}
	return f, nil
}

// chance is one occurrence of a subject: what decides about its faults.
type chance struct {
	set        *faultSet
	subject    string
	occurrence int // from 1
}

// next counts an occurrence of a subject.
func (f *faultSet) next(subject string) chance {
	if f == nil {
		return chance{}
	}
	if len(subject) > maxSubject { // its beginning, and what tells it from others
		h := fnv.New128a()
		_, _ = h.Write([]byte(subject))
		subject = fmt.Sprintf("%s… %x", subject[:maxSubject], h.Sum(nil))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.seen[subject]; !known {
		if len(f.subjects) >= maxSubjects {
			delete(f.seen, f.subjects[0])
			f.subjects = f.subjects[1:]
		}
		f.subjects = append(f.subjects, subject)
	}
	f.seen[subject]++
	return chance{set: f, subject: subject, occurrence: f.seen[subject]}
}

// part is the same occurrence of something that belongs to the subject.
func (c chance) part(name string) chance {
	c.subject += " " + name
	return c
}

// hit reports whether a fault happens to this occurrence.
func (c chance) hit(name string) bool {
	if c.set == nil {
		return false
	}
	t, set := c.set.traps[name]
	// 53 bits are what a float64 holds exactly; the quotient is below 1.
	return set && float64(c.draw(name, "")>>11)/(1<<53) < t.probability
}

// number picks the value of a fault's argument for this occurrence.
func (c chance) number(name, arg string) int64 {
	s := c.set.traps[name].spans[arg]
	return s.low + int64(c.draw(name, arg)%uint64(s.high-s.low+1))
}

func (c chance) delay(name string) time.Duration { return time.Duration(c.number(name, "delay")) }

// choice picks one of the words of an argument.
func (c chance) choice(name, arg string, words []string) string { return words[c.number(name, arg)] }

func (c chance) word(name string) string { return c.set.traps[name].spans["word"].word }

// draw is a number that looks random and is always the same for the same seed,
// fault, subject and occurrence.
func (c chance) draw(name, arg string) uint64 {
	h := fnv.New64a()
	var fixed [16]byte
	binary.LittleEndian.PutUint64(fixed[:8], uint64(c.set.seed))
	binary.LittleEndian.PutUint64(fixed[8:], uint64(c.occurrence))
	_, _ = h.Write(fixed[:])
	_, _ = h.Write([]byte(name + "\x00" + arg + "\x00" + c.subject))
	// FNV leaves neighbours close together in the high bits; this spreads them.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// faultControl is the set in force, which can be replaced at any moment.
type faultControl struct {
	current atomic.Pointer[faultSet]
}

// next counts an occurrence of a subject in the set in force.
func (f *faultControl) next(subject func() string) chance {
	set := f.current.Load()
	if set == nil {
		return chance{}
	}
	return set.next(subject())
}
