// Package receiver receives the vendor's webhooks. It contains the HTTP handler
// for them, by default at POST /webhooks/screenshotcenter.
//
// The handler processes a webhook in these steps:
//
//	check the headers ─► read the body, up to a limit ─► check the
//	signature over its raw bytes ─► decode ─► store in the inbox ─► 200
//
// It accepts a webhook if and only if the [Inbox] has written it to disk. It does
// not decide what the webhook means for a job. Jobs are closed later, from the
// inbox, so that the vendor receives the response within milliseconds and a
// repeated delivery costs only one row.
//
// Responses are JSON:
//
//	200  {"status":"accepted"}, also for repeats and for unknown events
//	400  not one JSON object, no screenshot_id, or cut off in transit
//	401  the signature is missing or invalid
//	404  another path, see Receiver.HandleWrongPath; nothing is stored
//	405  not POST
//	408  the body arrived too slowly; the sender should repeat it
//	413  larger than the limit, by default 256 KiB; documented payloads are
//	     smaller than 4 KiB
//	415  compressed: the signature covers the raw bytes, and decompressing
//	     data from unknown senders would be dangerous
//	503  cannot be stored now, or too many bodies are in flight; the vendor's
//	     retry will deliver it again
//
// Unknown senders are cheap. If the signature header is missing or malformed, the
// handler does not read the body. If the signature is invalid, it does not parse
// the JSON. All bodies in flight share one memory budget, Config.MaxInFlight. A
// body uses only as much of it as it has sent, plus at most one chunk. If a
// request is refused before the end of its body, the handler responds immediately
// and the connection is closed. The handler does not deal with further data from
// such a sender, with slow senders or with the number of connections. That is the
// task of the server (package listener, or http.Server.ReadTimeout).
package receiver
