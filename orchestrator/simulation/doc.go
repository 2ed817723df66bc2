// Package simulation plays Shotline against a world that goes wrong, seed by
// seed, and checks its promises after every move.
//
// What is ours is real: orchestrator, receiver, closer, and SQLite on a file.
// What is not is simulated: the vendor with its books and webhooks, the queue,
// the people at the command line, and time. One scheduler lets one goroutine
// go on at a time, from seam to seam; which one, and what goes wrong next, the
// seed decides. So a seed is one interleaving of several processes, and the
// same seed gives the same trace.
package simulation
