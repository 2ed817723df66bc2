package jobjson

import (
	"time"

	"shotline/jobs"
)

// Refusal is a webhook that was not accepted.
type Refusal struct {
	At      time.Time `json:"at"`
	Path    string    `json:"path" example:"/webhooks/screenshotcenter" doc:"That it was sent to, without its query"`
	Result  string    `json:"result" example:"signature" doc:"The result in the metric shotline_webhooks_total"`
	Status  int       `json:"status" doc:"HTTP status of the response"`
	Reason  string    `json:"reason"`
	Headers []string  `json:"headers" nullable:"false" doc:"The names of its headers"`
	More    int       `json:"more,omitempty" doc:"Further webhooks that were refused soon after this one, and are not recorded"`
}

// FromRefusal returns the JSON form of a refusal.
func FromRefusal(r jobs.Refusal) Refusal {
	return Refusal{At: r.At, Path: r.Path, Result: r.Result, Status: r.Status, Reason: r.Reason, Headers: append([]string{}, r.Headers...), More: r.More}
}
