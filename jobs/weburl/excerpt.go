package weburl

import (
	"fmt"

	"shotline/client/excerpt"
)

func notURL(s string) error { return fmt.Errorf("not a URL: %q", Excerpt(s)) }

// Excerpt returns the beginning of a text for an error, without a possible
// password.
func Excerpt(s string) string { return excerpt.Of(s) }
