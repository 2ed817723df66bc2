// Package api is the HTTP API of a running Shotline, for people and programs:
//
//	jobs.go, list.go             single jobs: create, get, retry, cancel, search
//	timeline.go                  what happened to a job
//	batches.go                   batches: list, get, retry, cancel, pause, resume
//	batch_create.go              creates a batch: batch_request.go, batch_json.go, batch_form.go, spool.go
//	batch_amend.go               puts corrected rows back into a batch
//	batch_rerun.go               creates a batch of the rows of another one
//	reports.go                   summary and results of a batch
//	outputs.go, images.go        images, HTML and PDF, from the vendor or from disk
//	callbacks.go                 lists and replays callbacks
//	inbox.go                     lists refused webhooks
//	stream.go                    the stream of events
//	probes.go, ready.go          /healthz, /readyz
//	metrics.go, scrape.go        /metrics
//	parameters.go                checks queries and headers against the contract
//	contract.go, docs.go         /openapi.json, and /docs, the same as a web page (manual.go)
//	webhooks.go, examples.go     the callbacks and the examples in the contract
//	address.go                   the address at which the contract was read
//
// Routes are registered with huma, which checks requests and writes the contract.
// A request passes through these handlers first, from the outside in: recovery
// from panics (problem.go), the deadlines of connections (pace.go), the check of
// the host name, and access (access.go, token.go).
//
// Every error response is a problem document. It contains neither secrets nor
// internal details. The package declares the interfaces that it needs and never
// imports the orchestrator.
package api
