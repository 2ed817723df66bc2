// Package engine runs Shotline inside a Go program. [Open] joins the store, the
// vendor's client, the queue, the orchestrator, the receiver of webhooks and the
// delivery of callbacks to an [Engine].
//
//	e, err := engine.Open(ctx, engine.Config{OpenStore: sqlite.Opener("shots.db"), APIKey: key, …})
//	mux.Handle("POST /hooks/screenshots", e.Webhooks())
//	err = e.Start()
//	job, err := e.Submit(ctx, engine.Request{URL: "https://example.com/"})
//	job, err = e.Await(ctx, job.ID)
//	err = e.Stop()
//
// The program brings its own logger and its own web server. An engine does not
// listen, print, handle signals or end the process. It has one effect on the
// whole process: it keeps go-redis, its client of the queue, from writing to
// standard error.
//
// Submitted work is in the store. The next process that opens the store continues
// it: the same program after a restart, another program, or the shotline command.
// Any number of engines, in one process or several, can work on one store.
// Engines on different stores are independent.
package engine
