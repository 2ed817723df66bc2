// Package sandbox is a local ScreenshotCenter: the same paths, envelope,
// errors, credits and signed webhooks, with pictures drawn on this machine.
// It is the vendor's side of the conversation and knows nothing of ours.
//
//	srv, err := sandbox.New(sandbox.Config{
//		WebhookURL:    "http://127.0.0.1:8080/webhooks/screenshotcenter",
//		WebhookSecret: "s3cret",
//	})
//	...
//	defer srv.Close()
//	srv.SetBaseURL("http://" + listener.Addr().String())
//	go http.Serve(listener, srv.Handler())
//
// # What happens to a create
//
//  1. GET /api/v1/screenshot/create is checked, charged and entered in the
//     books as `processing`; the answer carries its id and cost.
//  2. One of Config.Workers render workers asks the Renderer for the picture.
//     The screenshot becomes `finished`, or `error` with the reason.
//  3. For every app id the create named in `apps`, one webhook is signed and
//     posted to Config.WebhookURL, again and again with growing pauses until
//     it is answered 2xx or Config.WebhookTries is used up.
//
// A webhook can overtake the answer to its create, as with the vendor.
//
// # Batches
//
// A batch is worked through a few rows at a time, as many as there are render
// workers. Each row is a screenshot of its own, with its own webhook; the batch
// ends with batch.finished. A row that is no address, or that can no longer be
// paid for, fails without becoming a screenshot. A cancel ends the batch at once,
// as `error` with the reason Cancelled and without batch.finished; rows under way
// go on. The ZIP archive holds the pictures and a manifest.csv with every row.
// A batch has at most 10,000 rows in 16 MiB, and 1,000 batches are remembered.
//
// # Beside the vendor's paths
//
//   - GET /images/{id}-{token}.png is where a webhook's image_url points. It
//     needs no key; the token cannot be guessed.
//   - GET /sandbox/ledger (same key as the API) shows the books: every create
//     and batch with tags, cost, answer and webhook attempts, and how often each
//     endpoint was called. It is the independent witness for tests.
//   - GET, PUT and DELETE /sandbox/faults (same key, from this machine only)
//     show, set and end the faults that Config.Faults names: FaultList.
//   - GET /healthz answers 200.
//
// # Renderers
//
// PlainRenderer draws labelled placeholders and needs nothing installed;
// package chrome renders pages with a real browser. Both satisfy Renderer.
//
// # Who may call
//
// The sandbox opens pages as this machine. What they can reach is the renderer's
// to say: package chrome refuses addresses that are not public, unless it was
// told otherwise. Keep the sandbox on loopback, or give it a key of its own.
//
// Web pages cannot call it (guard.go): the Host must be loopback or the base
// URL's, and no foreign Origin or Sec-Fetch-Site may come along. Otherwise a
// page that is being rendered could order further screenshots.
//
// # Where the vendor's behaviour is not documented
//
// A create costs 1 credit, with size=page 2, and a screenshot that fails is
// not refunded. `limit` is 20 unless given and at most Config.ListLimit, anything
// else is refused. Credits that run out are refused with 422
// INSUFFICIENT_CREDITS. The status in a failure webhook is `failed` in dialect A
// and `error` in B; the fields of batch.finished are this sandbox's. A batch
// created by JSON is answered with its batch_id, one created by a form with the
// batch itself. `delay` and `max_wait` are seconds, at most 60, and all pauses of
// a create together at most 180; margins of a PDF are centimetres. The value of a
// step `sleep` is seconds unless Config.SleepUnit says otherwise, a `click`
// without a target is made in the middle of the screen, and shot_interval is
// milliseconds unless Config.IntervalUnit says otherwise. A screenshot without
// `country`, `language` or `timezone` says "us", "en-US" and "UTC". A country is
// known if ISO 3166-1 has it. `ratio` is fit unless given; `zoom` multiplies
// `scale`, and beside `width` or `height` it changes nothing. A screenshot that
// failed has outputs as little as one that is not ready: 404. What the scopes of /screenshot/delete remove is in
// delete.go, which options are rendered, recorded, ignored or refused in
// options.go.
package sandbox
