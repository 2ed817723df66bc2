package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shotline/jobs"
)

// TotalsReader is the method of the store that a scrape uses. It must be fast
// even if there are many jobs.
type TotalsReader interface {
	Totals(ctx context.Context) (jobs.Totals, error)
}

// Storage is the state of the store's writer and of its disk.
type Storage struct {
	jobs.StoreStats
	FreeBytes int64 // on the store's file system; negative if it is not known
}

// Queue is the state of a task queue.
type Queue struct {
	Name   string
	Tasks  map[string]int64 // by state
	Oldest time.Duration    // how long the oldest pending task has been waiting
}

// scrape is a collector that reads the sources at each scrape.
type scrape struct{ from Sources }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shotline_"+name, help, labels, nil)
}

var (
	readyDesc = describe("ready", "Whether this process can accept and do work, as /readyz reports it.")
	checkDesc = describe("ready_check", "Whether one readiness check succeeds.", "check")

	readableDesc      = describe("store_readable", "Whether the figures from the database could be read.")
	batchesDesc       = describe("batches", "Batches by state.", "state")
	pausedDesc        = describe("batches_paused", "Paused batches by who paused them: error or hand.", "by")
	jobsDesc          = describe("jobs", "Rows of all batches by state.", "state")
	closedByDesc      = describe("closed_jobs", "Ended jobs by provenance.", "closed_by")
	lateDesc          = describe("late_results_total", "Results that arrived after their job had timed out.")
	doubleChargesDesc = describe("double_charges_total", "Screenshots that were charged beyond the wanted one.")
	costDesc          = describe("cost_credits_total", "Credits that all batches have cost, as far as the vendor reported.")
	callsDesc         = describe("batch_api_calls", "Calls to the vendor for all batches, by all processes since the database was created; falls if a call that was counted is not sent.")
	inDoubtDesc       = describe("doubts_open", "Submissions in doubt now.")
	heldDesc          = describe("inbox_held", "Deliveries held now because they might belong to a submission whose ID is not known yet.")
	inboxDesc         = describe("inbox_deliveries_total", "Deliveries kept since the database was created.")
	unappliedDesc     = describe("inbox_unapplied", "Deliveries that are kept but not applied yet.")
	lagDesc           = describe("inbox_lag_seconds", "Age of the oldest delivery that is not applied yet; 0 if there is none.")

	owedDesc        = describe("callbacks_owed", "Undelivered callbacks.")
	deadDesc        = describe("callbacks_dead", "Dead callbacks, which are kept and can be replayed.")
	callbackDueDesc = describe("callbacks_due_seconds", "How long the oldest undelivered callback has been due; 0 if none is due.")
	eventLagDesc    = describe("events_untold", "Events that the slowest reader of the log has not turned into callbacks yet.")

	filesWantedDesc = describe("files_wanted", "Files of ordered downloads that are not saved yet.")

	queueReadableDesc = describe("queue_readable", "Whether the task queues could be read.")
	queueTasksDesc    = describe("queue_tasks", "Tasks by queue and state.", "queue", "state")
	queueOldestDesc   = describe("queue_oldest_pending_seconds", "How long the oldest pending task of a queue has been waiting; 0 if there is none.", "queue")

	commitDesc             = describe("store_commit_operations", "Operations in each transaction that this process committed: the size of its group commits.")
	failuresDesc           = describe("store_failures_total", "Transactions that failed because of the disk or of another process's lock.")
	renewalsDesc           = describe("store_connection_renewals_total", "Writing connections that were opened again after an I/O error.")
	checkpointsDesc        = describe("store_checkpoints_total", "Moves of the write-ahead log into the database.")
	checkpointFailuresDesc = describe("store_checkpoint_failures_total", "Moves of the write-ahead log that failed, for example after a failed sync of the database file; writes are refused until a move succeeds.")
	damageDesc             = describe("store_damage_reports_total", "Errors that might mean that the database is damaged; writes are refused until it has been checked.")
	waitingDesc            = describe("store_operations_waiting", "Operations that wait for the writer now.")
	fileDesc               = describe("store_file_bytes", "Size of the database file.")
	walDesc                = describe("store_wal_bytes", "Size of the write-ahead log.")
	freeDesc               = describe("store_free_bytes", "Free space on the database's file system.")
)

// Describe implements prometheus.Collector. A scrape might lack some of these
// metrics.
func (s scrape) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		readyDesc, checkDesc, readableDesc, batchesDesc, pausedDesc, jobsDesc, closedByDesc, lateDesc, doubleChargesDesc, costDesc, callsDesc,
		inDoubtDesc, heldDesc, inboxDesc, unappliedDesc, lagDesc, owedDesc, deadDesc, callbackDueDesc, eventLagDesc, filesWantedDesc,
		queueReadableDesc, queueTasksDesc, queueOldestDesc,
		commitDesc, failuresDesc, renewalsDesc, checkpointsDesc, checkpointFailuresDesc, damageDesc, waitingDesc, fileDesc, walDesc, freeDesc,
	} {
		to <- desc
	}
	describeConnections(to)
}

// sample writes one value of a metric.
type sample func(desc *prometheus.Desc, value float64, labels ...string)

// Collect implements prometheus.Collector.
func (s scrape) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, labels...)
	}
	report := s.from.Readiness.Report()
	gauge(readyDesc, boolValue(report.Ready))
	for name, finding := range report.Checks {
		gauge(checkDesc, boolValue(finding.OK), name)
	}
	storage := s.from.Storage()
	to <- commitSizes(storage)
	storageSamples(storage, gauge, counter)

	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	connectionSamples(s.from.Listeners(), gauge, counter)
	queues, err := s.from.Queues(ctx)
	gauge(queueReadableDesc, boolValue(err == nil))
	for _, q := range queues {
		for state, n := range q.Tasks {
			gauge(queueTasksDesc, float64(n), q.Name, state)
		}
		gauge(queueOldestDesc, q.Oldest.Seconds(), q.Name)
	}
	totals, err := s.from.Store.Totals(ctx)
	gauge(readableDesc, boolValue(err == nil))
	if err == nil {
		totalSamples(totals, gauge, counter)
	}
}

// commitSizes returns the histogram of transactions by number of operations.
func commitSizes(s Storage) prometheus.Metric {
	buckets, commits := make(map[float64]uint64, len(s.Groups)), uint64(0)
	for _, most := range slices.Sorted(maps.Keys(s.Groups)) {
		commits += uint64(s.Groups[most])
		buckets[float64(most)] = commits
	}
	return prometheus.MustNewConstHistogram(commitDesc, commits, float64(s.Operations), buckets)
}

func storageSamples(s Storage, gauge, counter sample) {
	counter(failuresDesc, float64(s.Failures))
	counter(renewalsDesc, float64(s.Renewals))
	counter(checkpointsDesc, float64(s.Checkpoints))
	counter(checkpointFailuresDesc, float64(s.CheckpointFailures))
	counter(damageDesc, float64(s.DamageReports))
	gauge(waitingDesc, float64(s.Waiting))
	gauge(fileDesc, float64(s.FileBytes))
	gauge(walDesc, float64(s.WALBytes))
	if s.FreeBytes >= 0 {
		gauge(freeDesc, float64(s.FreeBytes))
	}
}

func totalSamples(t jobs.Totals, gauge, counter sample) {
	for _, state := range []jobs.BatchState{jobs.BatchImporting, jobs.BatchOpen, jobs.BatchPaused, jobs.BatchFinished} {
		gauge(batchesDesc, float64(t.Batches[state]), string(state))
	}
	gauge(pausedDesc, float64(t.Stopped), "error")
	gauge(pausedDesc, float64(t.Batches[jobs.BatchPaused]-t.Stopped), "hand")
	for _, state := range jobs.States {
		gauge(jobsDesc, float64(t.Counts.Of(state)), string(state))
	}
	for _, way := range jobs.Provenances {
		gauge(closedByDesc, float64(t.Counts.ByProvenance[way]), string(way))
	}
	counter(lateDesc, float64(t.Counts.Late))
	counter(doubleChargesDesc, float64(t.Counts.DoubleCharged))
	if t.Counts.Cost != nil {
		counter(costDesc, *t.Counts.Cost)
	}
	gauge(callsDesc, float64(t.Counts.APICalls))
	gauge(inDoubtDesc, float64(t.Doubts))
	gauge(heldDesc, float64(t.Held))
	counter(inboxDesc, float64(t.Inbox))
	gauge(unappliedDesc, float64(max(0, t.Inbox-t.Cursor)))
	gauge(lagDesc, since(t.Unapplied))
	gauge(owedDesc, float64(t.CallbacksOwed))
	gauge(deadDesc, float64(t.CallbacksDead))
	gauge(callbackDueDesc, since(t.CallbackDue))
	gauge(eventLagDesc, float64(t.EventLag))
	gauge(filesWantedDesc, float64(t.FilesWanted))
}

// since returns the seconds since t. It returns 0 if t is zero or in the future.
func since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

func boolValue(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
