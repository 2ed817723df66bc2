package csvfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"shotline/jobs"
)

// rowOption sets an option of a request from the text of a cell.
type rowOption func(opts Options, request *jobs.Request, text string) error

// rowOptions are the options of a row, by the name after job:.
var rowOptions = map[string]rowOption{
	"timeout": func(_ Options, request *jobs.Request, text string) (err error) {
		request.Timeout, err = ParseTimeout(text)
		return err
	},
	"priority": func(_ Options, request *jobs.Request, text string) error {
		priority, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("priority: want a whole number")
		}
		if err := CheckPriority(priority); err != nil {
			return err
		}
		request.Priority = &priority
		return nil
	},
	"callback_url": func(opts Options, request *jobs.Request, text string) error {
		if err := opts.CheckURL(text); err != nil {
			return fmt.Errorf("callback_url: %w", err)
		}
		request.CallbackURL = text
		return nil
	},
}

// ParseTimeout parses the timeout of a job. It returns 0 for an empty text.
func ParseTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond {
		return 0, errors.New("timeout: want a duration of at least 1ms, such as 90s or 10m")
	}
	return d, nil
}

// CheckPriority returns an error if the priority is out of range.
func CheckPriority(priority int) error {
	if priority < -jobs.MaxPriority || priority > jobs.MaxPriority {
		return fmt.Errorf("priority: want %d to %d", -jobs.MaxPriority, jobs.MaxPriority)
	}
	return nil
}

// readOptionColumn reads a header such as job:timeout. A column with an unknown
// option is the user's own.
func readOptionColumn(header string) (column, error) {
	name := fold(header[len(optionPrefix):])
	if name == "key" {
		return column{}, fmt.Errorf("column %q: the rows of a file cannot have idempotency keys; remove it, or name it meta:key to keep it as your own", header)
	}
	parse, found := rowOptions[name]
	if !found {
		known := slices.Sorted(maps.Keys(rowOptions))
		return column{header: header}.own(fmt.Sprintf("because the options of a row are %s%s", optionPrefix, strings.Join(known, ", "+optionPrefix))), nil
	}
	return column{role: option, header: header, name: name, parse: parse}, nil
}

// checkOptions returns an error if a column has an option that the caller does
// not support.
func (r *Reader) checkOptions() error {
	for _, c := range r.columns {
		if c.role == option && c.name == "callback_url" && r.opts.CheckURL == nil {
			return fmt.Errorf("column %q: rows cannot have callbacks here; remove it", c.header)
		}
	}
	return nil
}
