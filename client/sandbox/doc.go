// Package sandbox is a local server that is compatible with ScreenshotCenter. It
// has the same paths, envelope, errors, credits and signed webhooks, and creates
// the images on this machine. It implements only the vendor's side of the API and
// does not depend on the rest of Shotline.
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
// # How a create is processed
//
//  1. GET /api/v1/screenshot/create is validated, charged and stored with the
//     status `processing`. The response contains its id and cost.
//  2. One of Config.Workers render workers calls the Renderer. The screenshot
//     becomes `finished`, or `error` with the reason.
//  3. For every app id in `apps`, one webhook is signed and posted to
//     Config.WebhookURL. It is retried with growing pauses until the receiver
//     responds with 2xx or Config.WebhookTries is reached.
//
// A webhook can arrive before the response to its create, as with the vendor.
//
// # Batches
//
// A batch processes as many rows at once as there are render workers. Each row
// becomes a screenshot with its own webhook. When all rows have ended, the batch
// ends with batch.finished. A row fails without becoming a screenshot if it is
// not a valid URL or if the credits have run out. A cancel ends the batch
// immediately with the status `error` and the reason Cancelled. Then no
// batch.finished is sent, and rows in progress continue. The ZIP archive contains
// the images and a manifest.csv with every row. A batch can have at most 10,000
// rows in 16 MiB. The sandbox remembers 1,000 batches.
//
// # Additional paths
//
//   - GET /images/{id}-{token}.png serves the image_url of a webhook. It needs
//     no key, because the token cannot be guessed.
//   - GET /sandbox/ledger (same key as the API) returns the ledger: every create
//     and batch with tags, cost, response and webhook attempts, and the number of
//     calls per endpoint. Tests use it as an independent record.
//   - GET, PUT and DELETE /sandbox/faults (same key, only from this machine)
//     show, replace and remove the active faults. FaultList lists the known ones.
//   - GET /healthz responds with 200.
//
// # Renderers
//
// PlainRenderer draws labeled placeholders and needs no other program. Package
// chrome renders pages with a real browser. Both implement Renderer.
//
// # Access
//
// The sandbox opens pages with the network access of this machine. The renderer
// decides which addresses pages can reach: package chrome refuses addresses that
// are not public, unless it is configured otherwise. Bind the sandbox to
// loopback, or set an API key.
//
// Web pages cannot call the sandbox (guard.go): the Host must be a loopback
// address or the host of the base URL, and requests with a foreign Origin or
// Sec-Fetch-Site are refused. Otherwise a page that is being rendered could
// create further screenshots.
//
// # Where the vendor's behavior is not documented
//
// The sandbox makes these choices:
//
//   - A create costs 1 credit, or 2 with size=page. A failed screenshot is not
//     refunded. If the credits do not suffice, a create is refused with 422
//     INSUFFICIENT_CREDITS.
//   - `limit` defaults to 20 and can be at most Config.ListLimit. Other values
//     are refused.
//   - The status in a failure webhook is `failed` in dialect A and `error` in
//     dialect B. The fields of batch.finished are the sandbox's own.
//   - The response to a batch created with JSON has a batch_id. The response to a
//     batch created with a form is the batch object.
//   - `delay` and `max_wait` are seconds, at most 60. All pauses of a create
//     together can be at most 180 seconds.
//   - The value of a `sleep` step is in Config.SleepUnit, by default seconds.
//     shot_interval is in Config.IntervalUnit, by default milliseconds. A `click`
//     without a target clicks the center of the screen.
//   - The margins of a PDF are in centimeters.
//   - If `country`, `language` or `timezone` is not given, responses contain
//     "us", "en-US" and "UTC". The known countries are those of ISO 3166-1.
//   - `ratio` defaults to fit. `zoom` multiplies `scale`; together with `width`
//     or `height`, only values without effect are accepted.
//   - A failed screenshot has no outputs: requests for them get 404, as for a
//     screenshot that is not ready.
//
// See delete.go for the scopes of /screenshot/delete, and options.go for the
// options that are rendered, recorded, ignored or refused.
package sandbox
