package download

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Names remembers which numbers are taken in the names of a folder's files, so that
// they are not tried again in each Run. Its methods are safe for concurrent use.
type Names struct {
	mu   sync.Mutex
	next map[string]int // the numbers to try next by the folded name
}

// NewNames returns Names that know nothing yet.
func NewNames() *Names { return &Names{next: map[string]int{}} }

// maxNames limits the memory of Names.
const maxNames = 10_000

func (n *Names) after(wanted string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(n.next[jobs.FoldName(wanted)], 2)
}

func (n *Names) setAfter(wanted string, number int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.next) >= maxNames {
		clear(n.next)
	}
	n.next[jobs.FoldName(wanted)] = number
}

// namer gives files names that no other file has.
type namer struct {
	ledger Ledger
	names  *Names
}

// maxSuffix is the largest number in a name.
const maxSuffix = 10_000_000

// assign gives the file a name with the extension. If another file has the name,
// it adds the name of the output, or else a number from 2 on.
func (n *namer) assign(ctx context.Context, w *Work, extension string) error {
	// A file keeps the name of an earlier try or version, so that it replaces that
	// file.
	if name := w.File.Name; name != "" && hasExtension(name, extension) && w.mayHaveName(name) {
		if taken, err := n.try(ctx, w, name); !taken {
			return err
		}
	}
	wanted := w.name(extension)
	taken, err := n.try(ctx, w, wanted)
	if !taken {
		return err
	}
	if w.File.Output != jobs.OutputImage {
		if taken, err := n.try(ctx, w, artifact.AddSuffix(wanted, "-"+string(w.File.Output))); !taken {
			return err
		}
	}
	return n.number(ctx, w, wanted)
}

// number gives the file the name with a number. The numbers of an earlier run are
// not known. Growing steps find a free one soon, and halving the last step finds
// the one after those that are taken, so that the numbers have no gaps.
func (n *namer) number(ctx context.Context, w *Work, wanted string) error {
	name := func(number int) string { return artifact.AddSuffix(wanted, "-"+strconv.Itoa(number)) }
	low, high := n.names.after(wanted)-1, 0 // the largest that is taken, the smallest that is free
	for step := 1; high == 0; step *= 2 {
		if low >= maxSuffix {
			return fmt.Errorf("name %s, or with a number up to %d: %w; use a template that gives each file its own name, such as with {job}", wanted, maxSuffix, jobs.ErrExists)
		}
		number := min(low+step, maxSuffix)
		switch taken, err := n.try(ctx, w, name(number)); {
		case taken:
			low = number
		case err != nil:
			return err
		default:
			high = number
		}
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		switch taken, err := n.try(ctx, w, name(middle)); {
		case taken:
			low = middle
		case err != nil:
			return err
		default:
			high = middle
		}
	}
	w.File.Name = name(high)
	n.names.setAfter(wanted, high+1)
	return nil
}

// try gives the file a name, and reports whether another file has it.
func (n *namer) try(ctx context.Context, w *Work, name string) (taken bool, err error) {
	w.File.Name = name
	err = n.ledger.NameFile(ctx, *w)
	return errors.Is(err, jobs.ErrExists), err
}
