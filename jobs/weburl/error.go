package weburl

import (
	"fmt"

	"shotline/client/excerpt"
)

func notURL(s string) error { return fmt.Errorf("not a URL: %q", excerpt.Of(s)) }
