// Package receiver is how the vendor calls us: the HTTP handler for
// POST /webhooks/screenshotcenter.
//
// A webhook takes one way through:
//
//	look at the headers ─► take the body, capped ─► check the signature
//	over its raw bytes ─► decode ─► keep ─► 200
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
//	404  at another path, see Receiver.Misdirected
//	405  not POST
//	408  the body came too slowly; it may be sent again
//	413  larger than the cap, by default 256 KiB; documented payloads are
//	     below 4 KiB
//	415  compressed: the signature is over the bytes, and unpacking what
//	     strangers send is asking for trouble
//	503  cannot be kept now, or too many bodies are under way; the vendor's
//	     retry brings it back
//
// Strangers are kept cheap. Without a well-formed signature header no byte of
// the body is read, and without one that holds no byte of JSON. All bodies
// under way share one budget of memory, Config.MaxInFlight, of which each takes
// only as much as it has sent, and up to a chunk more. Whoever is refused before
// the end of the body is answered at once and the connection closed. What such a
// sender still sends, slow senders and the number of connections are the server's
// business (package listener, or http.Server.ReadTimeout).
package receiver
