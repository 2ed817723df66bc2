package sandbox

import (
	"net/http"
	"net/url"
)

// errCrawl is the response to every call about crawls. The sandbox does not
// follow the links of a site.
var errCrawl = &apiError{status: http.StatusNotImplemented, code: "NOT_SUPPORTED",
	text: "The sandbox does not support crawls; create a screenshot or a batch of URLs instead"}

// crawlEndpoints returns the crawl endpoints of the vendor. They exist so that a
// client gets a clear error.
func crawlEndpoints() map[string]endpoint {
	refuse := func(*http.Request, url.Values) (any, error) { return nil, errCrawl }
	return map[string]endpoint{
		"crawl/create": {http.MethodPost, refuse},
		"crawl/info":   {http.MethodGet, refuse},
		"crawl/list":   {http.MethodGet, refuse},
		"crawl/cancel": {http.MethodPost, refuse},
	}
}
