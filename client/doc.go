// Package client calls the ScreenshotCenter HTTP API.
//
// Make one [Client] per process and share it; it is safe for concurrent use
// and keeps its connections open for reuse:
//
//	c, err := client.New(client.WithAPIKey(key))
//	shot, err := c.Create(ctx, client.CreateRequest{URL: "https://example.com"})
//
// # Creating costs money
//
// The vendor has no idempotency key, so every create that takes effect is
// charged. [Client.Create] and [Client.CreateBatch] therefore put their request
// on the wire at most once per call and sort what can happen into four kinds of
// error:
//
//   - [*NotSentError]: no byte of the request left; sending again is safe.
//   - [*InDoubtError]: the request left, or may have left, and there is no
//     usable answer; look the screenshot up by its tag before sending again.
//   - [*RateLimitError]: the vendor asked for a pause and did nothing.
//   - [*APIError]: the vendor refused; sending the same again is pointless.
//     [ErrUnauthorized] and [ErrNoCredits] tell what other requests would meet
//     as well.
//
// An [*InDoubtError] may wrap an [*APIError] (a 5xx answer), so test for doubt
// first. A [*ParamError] means that the request was not even built.
//
// # Reading is free to repeat
//
// All other methods either change nothing or, like Delete and CancelBatch, do
// no further harm when they are repeated. They fail with the same types except
// [*InDoubtError], and with a [*CallError] when an answer did not arrive or could
// not be read. Calls for a picture or another output fail with a
// [*NotReadyError] while there is none. [RetryPolicy] decides whether and when
// such a call is worth repeating; the loop, its clock and its patience belong to
// the caller.
//
// A listing of which one row cannot be read still brings the others: the row
// keeps its place, and its Odd field says why ([RowError]).
//
// # What is left out
//
// The vendor's crawls (/crawl/…), which find the pages of a site by themselves:
// an orchestrator of screenshots is given its pages. The vendor's own batches
// are here for programs that want them; each of their rows is a screenshot that
// this program did not create.
//
// # Secrets
//
// The key travels in the X-API-KEY header only, and only to the scheme, host and
// port of the base URL: a redirect to another is an [*APIError]. Errors name the operation,
// never the address, and every text that comes from outside is stripped of the
// key before it becomes part of an error.
package client
