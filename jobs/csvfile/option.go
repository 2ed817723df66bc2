package csvfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shotline/client/excerpt"
	"shotline/jobs"
)

// rowOptions are the options of a row, named as in the header after job:.
var rowOptions = []string{optionCallbackURL, optionPriority, optionTimeout}

const (
	optionCallbackURL = "callback_url"
	optionPriority    = "priority"
	optionTimeout     = "timeout"
)

// setOption sets an option of a request from the text of a cell.
func (r *Reader) setOption(request *jobs.Request, name, text string) (err error) {
	switch name {
	case optionTimeout:
		request.Timeout, err = ParseTimeout(text)
	case optionPriority:
		priority, notWhole := strconv.Atoi(text)
		if notWhole != nil {
			return errors.New("priority: want a whole number")
		}
		if err = CheckPriority(priority); err == nil {
			request.Priority = &priority
		}
	case optionCallbackURL:
		if err := r.opts.CheckURL(text); err != nil {
			return fmt.Errorf("callback_url: %w", err)
		}
		request.CallbackURL = text
	}
	return err
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
	if !slices.Contains(rowOptions, name) {
		note := fmt.Sprintf("column %q: not an option; the options of a row are %s", excerpt.Of(header), optionPrefix+strings.Join(rowOptions, ", "+optionPrefix))
		return column{role: metadata, header: header, name: header, note: note}, nil
	}
	return column{role: option, header: header, name: name}, nil
}

// checkOptions returns an error if a column has an option that the caller does
// not support.
func (r *Reader) checkOptions() error {
	for _, c := range r.columns {
		if c.role == option && c.name == optionCallbackURL && r.opts.CheckURL == nil {
			return fmt.Errorf("column %q: rows cannot have callbacks here; remove it", c.header)
		}
	}
	return nil
}
