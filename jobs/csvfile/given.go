package csvfile

import (
	"errors"
	"fmt"
	"strings"
)

// ParseParam gives a parameter the type that a column of its name would give
// it, for parameters that come from elsewhere than a file. The error says what
// is wrong with name or text.
func ParseParam(name, text string) (any, error) {
	lower := strings.ToLower(name)
	if why, no := reserved[lower]; no {
		return nil, errors.New(why)
	}
	if lower == "url" || lower == "tag" {
		return nil, fmt.Errorf("%s is not given as a parameter", lower)
	}
	k, known := documented[lower]
	if !known {
		k = open
	}
	return k.value(name, text)
}
