// Package client calls the ScreenshotCenter HTTP API.
//
// Create one [Client] per process and share it. It is safe for concurrent use and
// reuses its connections:
//
//	c, err := client.New(client.WithAPIKey(key))
//	shot, err := c.Create(ctx, client.CreateRequest{URL: "https://example.com"})
//
// # Creating costs money
//
// The vendor has no idempotency key and charges every create that takes effect.
// [Client.Create] and [Client.CreateBatch] therefore send their request at most
// once per call. If they fail, the type of the error shows what to do:
//
//   - [*NotSentError]: nothing was sent. It is safe to send the request again.
//   - [*InDoubtError]: the request was sent, or might have been sent, and there
//     is no usable response. Look the screenshot up by its tag before sending
//     the request again.
//   - [*RateLimitError]: the vendor did nothing and requests a pause.
//   - [*APIError]: the vendor refused the request and would refuse it again. If
//     the error is [ErrUnauthorized] or [ErrNoCredits], other requests would
//     fail as well.
//
// An [*InDoubtError] can wrap an [*APIError] (a 5xx response), so check for it
// first. A [*ParamError] means that the request is invalid and was not sent.
//
// # Reading is free to repeat
//
// All other methods can be repeated safely: they either change nothing or, like
// Delete and CancelBatch, have no further effect if they are repeated. Their
// errors have the same types except [*InDoubtError], or the type [*CallError] if
// the response did not arrive or could not be read. The methods that download an
// output fail with a [*NotReadyError] if it does not exist yet. [RetryPolicy]
// decides whether and when to repeat a call. The caller provides the loop, the
// clock and the limit.
//
// If one row of a listing cannot be read, the other rows are still returned. The
// unreadable row keeps its place, and its ReadError field contains the reason
// ([RowError]).
//
// # What is left out
//
// The client does not support the vendor's crawls (/crawl/…), which find the
// pages of a site on their own: this program receives its pages from the user. It
// supports the vendor's own batches for programs that want them. Each of their
// rows is a screenshot that this program did not create.
//
// # Secrets
//
// The key is sent only in the X-API-KEY header, and only to the scheme, host and
// port of the base URL. A redirect to another target is an [*APIError]. Errors
// contain the operation but not the address, and the key is removed from every
// text from outside before it becomes part of an error.
package client
