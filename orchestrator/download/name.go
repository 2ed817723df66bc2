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

// namer gives files names that no other file has.
type namer struct {
	ledger Ledger
	mu     sync.Mutex
	// suffixes are the next numbers to try for names that are taken. It saves the
	// time of trying the lower ones again.
	suffixes map[string]int
}

// maxSuffixes limits the memory of a namer.
const maxSuffixes = 10_000

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
	folded := jobs.FoldName(wanted)
	n.mu.Lock()
	number := max(n.suffixes[folded], 2)
	n.mu.Unlock()
	// The numbers of an earlier run are not known. Growing steps find a free one
	// soon.
	for step := 1; number < maxSuffix; step *= 2 {
		taken, err := n.try(ctx, w, artifact.AddSuffix(wanted, "-"+strconv.Itoa(number)))
		if taken {
			number += step
			continue
		}
		n.mu.Lock()
		if len(n.suffixes) >= maxSuffixes {
			clear(n.suffixes)
		}
		n.suffixes[folded] = number + 1
		n.mu.Unlock()
		return err
	}
	return fmt.Errorf("name %s: %w", wanted, jobs.ErrExists)
}

// try gives the file a name, and reports whether another file has it.
func (n *namer) try(ctx context.Context, w *Work, name string) (taken bool, err error) {
	w.File.Name = name
	err = n.ledger.NameFile(ctx, *w)
	return errors.Is(err, jobs.ErrExists), err
}
