// Package engine puts Shotline into a Go program: [Open] joins the database, the
// vendor's client, the queue, the orchestrator, the receiver of webhooks and the
// courier of callbacks, and an [Engine] is what comes of it.
//
//	e, err := engine.Open(ctx, engine.Config{OpenStore: sqlite.Opener("shots.db"), APIKey: key, …})
//	mux.Handle("POST /hooks/screenshots", e.Webhooks())
//	err = e.Start()
//	job, err := e.Submit(ctx, engine.Request{URL: "https://example.com/"})
//	job, err = e.Await(ctx, job.ID)
//	err = e.Stop()
//
// The program brings its own logger and its own web server. An engine listens on
// nothing, prints nothing, minds no signals and ends no process. One thing it does
// to the whole process: go-redis, which it reaches the queue with, is kept from
// writing to standard error.
//
// What was submitted is in the database, and whoever opens it next goes on with
// it: the same program after a restart, another one, or the shotline command. Any
// number of engines, in one process or several, may work on one file; engines on
// different files have nothing to do with each other.
package engine
