// Package receiver is how the vendor calls us: the HTTP handler for
// POST /webhooks/screenshotcenter.
//
// A webhook takes one way through:
//
//	cap the body ─► check the signature over its raw bytes ─► decode ─► keep ─► 200
//
// It is acknowledged when, and only when, the [Inbox] has it on disk. What it
// means for a job is not decided here: closing happens behind the inbox, so
// that the vendor gets its answer in milliseconds and a repeated delivery
// costs nothing but a row.
//
// Answers are JSON:
//
//	200  {"status":"accepted"}, also for repeats and for unknown events
//	400  not one JSON object, no screenshot_id, or cut off on the way
//	401  no signature, or none that holds
//	405  not POST
//	413  larger than the cap
//	415  compressed: the signature is over the bytes, and unpacking what
//	     strangers send is asking for trouble
//	503  cannot be kept now; the vendor's retry brings it back
//
// The signature is checked before a byte of JSON is read. Deadlines for slow
// senders are the server's job (http.Server.ReadTimeout).
package receiver
