package jobs

import (
	"slices"
	"strings"
	"time"
)

// Worker is a process that does the work on this store.
type Worker struct {
	ID       string
	Role     string // serve, run, or "run BATCH…" if it works on these batches only
	PID      int
	Receives bool // listens for webhooks
	SeenAt   time.Time
}

// WorksOn reports whether the worker works on a batch. The empty name stands for
// any work that is no batch's.
func (w Worker) WorksOn(batch string) bool {
	_, only, limited := strings.Cut(w.Role, " ")
	return !limited || batch != "" && slices.Contains(strings.Fields(only), batch)
}

// RoleOf is the role of a worker that works on these batches only; on all, if none
// is named.
func RoleOf(command string, batches []string) string {
	return strings.Join(append([]string{command}, batches...), " ")
}

// WorkerAlive is how long after its last sign of life a worker counts as alive.
// It gives several within that time.
const WorkerAlive = 15 * time.Second
