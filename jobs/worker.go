package jobs

import (
	"slices"
	"strings"
	"time"
)

// Worker is a process that works on this store.
type Worker struct {
	ID       string
	Role     string // serve, run, or "run BATCH…" if it works only on these batches
	PID      int
	Receives bool // whether it listens for webhooks
	SeenAt   time.Time
	Troubles []Trouble // what keeps it from its work
}

// WorksOn reports whether the worker works on a batch. The empty name stands for
// work that belongs to no batch.
func (w Worker) WorksOn(batch string) bool {
	_, only, limited := strings.Cut(w.Role, " ")
	return !limited || batch != "" && slices.Contains(strings.Fields(only), batch)
}

// RoleOf returns the role of a worker that works only on these batches, or on all
// if none is named.
func RoleOf(command string, batches []string) string {
	return strings.Join(append([]string{command}, batches...), " ")
}

// WorkerAlive is how long a worker counts as alive after it was last seen. A
// worker announces itself several times in this period.
const WorkerAlive = 15 * time.Second
