package sandbox

import (
	"net/http"
	"net/url"
)

// errCrawl answers every call about crawls: a sandbox that follows the links of
// a site would be a crawler of its own.
var errCrawl = &apiError{status: http.StatusNotImplemented, code: "NOT_SUPPORTED",
	text: "The sandbox does not crawl; create a screenshot or a batch of the addresses instead"}

// crawlEndpoints are there so that a caller learns what is missing.
func crawlEndpoints() map[string]endpoint {
	refuse := func(*http.Request, url.Values) (any, error) { return nil, errCrawl }
	return map[string]endpoint{
		"crawl/create": {http.MethodPost, refuse},
		"crawl/info":   {http.MethodGet, refuse},
		"crawl/list":   {http.MethodGet, refuse},
		"crawl/cancel": {http.MethodPost, refuse},
	}
}
