package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"
)

// WebhookPath is the default of --webhook-path. The URL in the vendor's webhook
// app must have this path.
const WebhookPath = "/webhooks/screenshotcenter"

// healthPath is the path of the health check beside the webhooks.
const healthPath = "/healthz"

// webhookPath parses --webhook-path. An empty value means the default.
func webhookPath(c *cli.Context) (string, error) {
	text := cmp.Or(c.String(webhookPathFlag.Name), WebhookPath)
	refuse := func(why string) (string, error) {
		return "", badUsage("--%s %q: %s: want a path such as %s", webhookPathFlag.Name, text, why, WebhookPath)
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "://"):
		return refuse("it is a whole URL")
	case !strings.HasPrefix(text, "/"):
		return refuse("it does not begin with /")
	case strings.ContainsAny(text, "?#"):
		return refuse("it has a ? or #")
	case strings.ContainsAny(text, " \t\r\n"):
		return refuse("it contains a space or a line break")
	case err != nil || u.Host != "":
		// Two slashes at the beginning would be followed by a host.
		if u, err = url.Parse(singleSlashes(text)); err != nil {
			return refuse("it has a % that is not part of an escape such as %20")
		}
	}
	path := singleSlashes(u.Path)
	if path == healthPath {
		return refuse("this path is for health checks")
	}
	return path, nil
}

// newWebhookServer serves webhooks at the path, and /healthz, and nothing else, because its
// address is reachable from the internet. POST requests to other paths go to
// misdirected.
func newWebhookServer(path string, webhooks, misdirected http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"status":"ok"}`)
	})
	return newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == path || singleSlashes(r.URL.Path) == path:
			webhooks.ServeHTTP(w, r)
		case r.Method == http.MethodPost: // the mux would redirect some paths, and the vendor does not follow redirects
			misdirected.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	}), log)
}

// singleSlashes removes repeated slashes and a slash at the end of a path.
func singleSlashes(path string) string {
	return "/" + strings.Join(strings.FieldsFunc(path, func(r rune) bool { return r == '/' }), "/")
}
