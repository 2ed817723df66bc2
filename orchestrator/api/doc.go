// Package api is what people and machines ask a running Shotline over HTTP:
//
//	jobs.go, list.go             one picture: ask for it, see it, retry, cancel, search
//	batches.go                   many: list, retry, cancel, pause, resume
//	batch_create.go              a batch comes in: batch_request.go, batch_json.go, batch_form.go, spool.go
//	reports.go                   its summary and results
//	outputs.go, images.go        pictures, HTML and PDF, from the vendor or from disk
//	callbacks.go                 what is owed to other programs
//	probes.go, ready.go          /healthz, /readyz
//	metrics.go, scrape.go        /metrics
//	parameters.go                queries and headers, held to the contract
//	contract.go, docs.go         /openapi.json, and /docs: the same for people (manual.go)
//	webhooks.go, examples.go     what else is in the contract: callbacks, examples
//	address.go                   where those who read it have found it
//
// Routes are registered with huma, which checks what comes in and writes the
// contract. Around them stand, from the outside in: what answers for panics
// (problem.go), the deadlines of connections (pace.go), the names that the API
// answers to and who may do what (access.go, token.go).
//
// Every answer that is no success is a problem document, and tells neither
// secrets nor what is wrong inside. It states what it needs of others and never
// imports the orchestrator.
package api
