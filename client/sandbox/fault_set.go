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

// maxSubjects limits for how many subjects occurrences are counted. Beyond it the
// oldest subject is forgotten, and its next occurrence counts as its first.
const maxSubjects = 200_000

// maxSubject is how many bytes of a subject are kept.
const maxSubject = 500

// compiledFault is a fault with parsed arguments.
type compiledFault struct {
	name        string
	probability float64
	spans       map[string]span
}

// faultSet holds the active faults. The faults of a subject depend only on the
// seed, the fault, the subject and its occurrence, so a run can be repeated
// regardless of how its goroutines are scheduled.
type faultSet struct {
	seed     int64
	faults   []Fault // as given
	compiled map[string]compiledFault

	mu       sync.Mutex
	seen     map[string]int // number of occurrences by subject
	subjects []string       // keys of seen, oldest first
}

// newFaultSet compiles faults. If there are none it returns nil, which is a valid
// set without faults.
func newFaultSet(faults []Fault, seed int64) (*faultSet, error) {
	if len(faults) == 0 {
		return nil, nil
	}
	f := &faultSet{
		seed:     seed,
		faults:   slices.Clone(faults),
		compiled: make(map[string]compiledFault, len(faults)),
		seen:     make(map[string]int),
	}
	for _, fault := range faults {
		t, err := fault.compile()
		if err != nil {
			return nil, err
		}
		if _, twice := f.compiled[t.name]; twice {
			return nil, fmt.Errorf("fault %s is given twice", t.name)
		}
		f.compiled[t.name] = t
	}
	return f, nil
}

// trial is one occurrence of a subject. It determines which faults happen to it.
type trial struct {
	set        *faultSet
	subject    string
	occurrence int // from 1
}

// next counts an occurrence of a subject.
func (f *faultSet) next(subject string) trial {
	if f == nil {
		return trial{}
	}
	if len(subject) > maxSubject { // keep the beginning and a hash of all of it
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
	return trial{set: f, subject: subject, occurrence: f.seen[subject]}
}

// part returns the same occurrence for a named part of the subject.
func (c trial) part(name string) trial {
	c.subject += " " + name
	return c
}

// hit reports whether a fault happens to this occurrence.
func (c trial) hit(name string) bool {
	if c.set == nil {
		return false
	}
	t, set := c.set.compiled[name]
	// A float64 represents 53 bits exactly. The quotient is less than 1.
	return set && float64(c.draw(name, "")>>11)/(1<<53) < t.probability
}

// number returns the value of an argument for this occurrence, which is in the
// range that the fault was given.
func (c trial) number(name, arg string) int64 {
	s := c.set.compiled[name].spans[arg]
	return s.low + int64(c.draw(name, arg)%uint64(s.high-s.low+1))
}

func (c trial) delay(name string) time.Duration { return time.Duration(c.number(name, "delay")) }

// choice returns the word of a choice for this occurrence.
func (c trial) choice(name, arg string, words []string) string { return words[c.number(name, arg)] }

func (c trial) word(name string) string { return c.set.compiled[name].spans["word"].word }

// draw returns a pseudo-random number. It is always the same for the same seed,
// fault, subject and occurrence.
func (c trial) draw(name, arg string) uint64 {
	h := fnv.New64a()
	var fixed [16]byte
	binary.LittleEndian.PutUint64(fixed[:8], uint64(c.set.seed))
	binary.LittleEndian.PutUint64(fixed[8:], uint64(c.occurrence))
	_, _ = h.Write(fixed[:])
	_, _ = h.Write([]byte(name + "\x00" + arg + "\x00" + c.subject))
	// The high bits of FNV differ little between similar inputs. This mixes them.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// faultControl holds the active set, which can be replaced at any time.
type faultControl struct {
	current atomic.Pointer[faultSet]
}

// next counts an occurrence of a subject in the active set.
func (f *faultControl) next(subject func() string) trial {
	set := f.current.Load()
	if set == nil {
		return trial{}
	}
	return set.next(subject())
}
