package api

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"shotline/jobs"
)

// Metrics are the metrics for Prometheus. Figures that must survive the process
// are read from the store at each scrape. The others are counted by the methods
// of Metrics. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	webhooks         *prometheus.CounterVec   // by result
	webhookDuration  *prometheus.HistogramVec // by result
	closures         *prometheus.CounterVec   // by state, provenance and lateness
	deliveries       *prometheus.CounterVec   // by disposition
	conflicts        prometheus.Counter
	corrected        *prometheus.CounterVec
	doubts           *prometheus.CounterVec   // by event
	vendorRequests   *prometheus.CounterVec   // by operation and code
	vendorDuration   *prometheus.HistogramVec // by operation
	oddRows          *prometheus.CounterVec   // unreadable rows of listings, by operation
	callbacks        *prometheus.CounterVec   // attempts, by target and outcome
	callbackDuration *prometheus.HistogramVec // of attempts, by target
	files            *prometheus.CounterVec   // by result
	fileFailures     *prometheus.CounterVec   // by reason
	fileBytes        prometheus.Counter
	apiRequests      *prometheus.CounterVec // by route and status
	uploads          prometheus.Gauge       // batch bodies that are being received
	waits            prometheus.Gauge       // requests that wait
	streams          prometheus.Gauge       // open event streams
}

// Sources are read at each scrape. All are required.
type Sources struct {
	Store     TotalsReader
	Storage   func() Storage
	Queues    func(ctx context.Context) ([]Queue, error)
	Listeners func() []Connections
	Readiness *Readiness
}

// NewMetrics registers all metrics. Version is the version of the program.
// Results are all possible results of a webhook, so that the counter of each
// exists from the start.
func NewMetrics(version string, results []string, from Sources) *Metrics {
	const ns = "shotline"
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		webhooks: counters("webhooks_total", "Webhook requests by result.", "result"),
		webhookDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "webhook_duration_seconds", Help: "Time to answer webhook requests, by result.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
		}, []string{"result"}),
		closures:       counters("closures_total", "Closures by state and provenance; late ones replace a timeout.", "state", "closed_by", "late"),
		deliveries:     counters("deliveries_total", "Deliveries that this process read, and how many of them were held, foreign, noted or put aside.", "disposition"),
		conflicts:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "conflicts_total", Help: "Results that contradicted a recorded one."}),
		corrected:      counters("corrections_total", "Corrected jobs by new state.", "state"),
		doubts:         counters("doubts_total", "Creates in doubt: opened, adopted after a look-up, resent.", "event"),
		vendorRequests: counters("vendor_requests_total", "Calls to the vendor's API by operation and outcome: an HTTP status, not_sent, no_answer or invalid.", "operation", "code"),
		oddRows:        counters("vendor_odd_rows_total", "Rows of the vendor's listings that could not be read and were skipped, by operation.", "operation"),
		vendorDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "vendor_request_duration_seconds", Help: "Duration of calls to the vendor's API.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"operation"}),
		callbacks: counters("callbacks_total", "Attempts at callbacks by target (a sink's name, or callback_url) and outcome: delivered, retried, dead or gone.", "target", "outcome"),
		callbackDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "callback_duration_seconds", Help: "Duration of attempts at callbacks.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"target"}),
	}
	m.files = counters("files_total", "Files of ordered downloads that this process tried to fetch, by result: saved, gone, failed for good, or retried later.", "result")
	m.fileFailures = counters("file_failures_total", "Files of ordered downloads that could not be fetched, whether or not they are tried again, by reason.", "reason")
	m.fileBytes = prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "file_saved_bytes_total", Help: "Bytes of the files that this process saved."})
	m.apiRequests = counters("api_requests_total", "API requests by route (none if there is no such route) and HTTP status.", "route", "code")
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	m.uploads = gauge("api_uploads", "Batch uploads that are being received now.")
	m.waits = gauge("api_waits", "API requests that wait now for a job or batch to end.")
	m.streams = gauge("api_streams", "Event streams that are open now.")
	for _, result := range results {
		m.webhooks.WithLabelValues(result)
	}
	for _, state := range []jobs.State{jobs.Done, jobs.Failed, jobs.TimedOut} {
		m.corrected.WithLabelValues(string(state))
	}
	for _, operation := range []string{"list", "search"} {
		m.oddRows.WithLabelValues(operation)
	}
	for _, event := range []string{"opened", "adopted", "resent"} {
		m.doubts.WithLabelValues(event)
	}
	for _, disposition := range []string{"read", "held", "foreign", "noted", "aside"} {
		m.deliveries.WithLabelValues(disposition)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: ns, Name: "build_info", Help: "The running version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.webhooks, m.webhookDuration, m.closures, m.deliveries, m.conflicts, m.corrected, m.doubts, m.vendorRequests, m.vendorDuration, m.oddRows, m.callbacks, m.callbackDuration, m.files, m.fileFailures, m.fileBytes, m.apiRequests, build,
		scrape{from}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Webhook counts a request to the webhook receiver.
func (m *Metrics) Webhook(result string, took time.Duration) {
	m.webhooks.WithLabelValues(result).Inc()
	m.webhookDuration.WithLabelValues(result).Observe(took.Seconds())
}

// Changed counts the effects of a transaction of the store.
func (m *Metrics) Changed(e jobs.Effects) {
	type end struct {
		state jobs.State
		by    jobs.Provenance
		late  bool
	}
	ends := make(map[end]int)
	for _, c := range e.Closed {
		if c.Corrected {
			m.corrected.WithLabelValues(string(c.State)).Inc()
			continue
		}
		ends[end{c.State, c.By, c.Late}]++
	}
	for e, n := range ends {
		m.closures.WithLabelValues(string(e.state), string(e.by), strconv.FormatBool(e.late)).Add(float64(n))
	}
	m.conflicts.Add(float64(e.Conflicts))
}

// Applied counts the deliveries that were applied together.
func (m *Metrics) Applied(a jobs.Applied) {
	for disposition, n := range map[string]int{"read": a.Read, "held": a.Held, "foreign": a.Foreign, "noted": a.Noted, "aside": a.Aside} {
		m.deliveries.WithLabelValues(disposition).Add(float64(n))
	}
}

// Doubts counts creates in doubt: those that were opened, adopted and sent again.
func (m *Metrics) Doubts(opened, adopted, resent int) {
	for event, n := range map[string]int{"opened": opened, "adopted": adopted, "resent": resent} {
		m.doubts.WithLabelValues(event).Add(float64(n))
	}
}

// VendorCall counts a call to the vendor's API.
func (m *Metrics) VendorCall(operation, code string, took time.Duration) {
	m.vendorRequests.WithLabelValues(operation, code).Inc()
	m.vendorDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// VendorOddRows counts rows of a listing that could not be read.
func (m *Metrics) VendorOddRows(operation string, rows int) {
	m.oddRows.WithLabelValues(operation).Add(float64(rows))
}

// FileLabels sets the results and reasons that File will be called with, so that
// the counter of each exists from the start.
func (m *Metrics) FileLabels(results, reasons []string) {
	for _, result := range results {
		m.files.WithLabelValues(result)
	}
	for _, reason := range reasons {
		m.fileFailures.WithLabelValues(reason)
	}
}

// File counts what became of a file of an ordered download. The reason is empty if
// the file was saved or is gone.
func (m *Metrics) File(result, reason string, bytes int64) {
	m.files.WithLabelValues(result).Inc()
	m.fileBytes.Add(float64(bytes))
	if reason != "" {
		m.fileFailures.WithLabelValues(reason).Inc()
	}
}

// CallbackTargets sets the targets and outcomes that Callback will be called
// with, so that the counter of each exists from the start.
func (m *Metrics) CallbackTargets(targets, outcomes []string) {
	for _, target := range targets {
		for _, outcome := range outcomes {
			m.callbacks.WithLabelValues(target, outcome)
		}
	}
}

// Callback counts an attempt at a callback.
func (m *Metrics) Callback(target, outcome string, took time.Duration) {
	m.callbacks.WithLabelValues(target, outcome).Inc()
	m.callbackDuration.WithLabelValues(target).Observe(took.Seconds())
}
