package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
)

var (
	sinceFlag     = &cli.StringFlag{Name: "since", Usage: "only jobs that came in at this `TIME` or later: RFC 3339, a date (UTC), or how long ago, such as 2h"}
	untilFlag     = &cli.StringFlag{Name: "until", Usage: "only jobs that came in before this `TIME`"}
	withTagFlag   = &cli.StringSliceFlag{Name: "tag", Usage: "only jobs that have this `TAG`, or whose batch has it (repeatable: all must match; a comma is part of the tag)"}
	withErrorFlag = &cli.StringFlag{Name: "error", Usage: "only jobs with this `TEXT` in the error, in upper or lower case"}
	metadataFlag  = &cli.StringSliceFlag{Name: "metadata", Usage: "only jobs whose metadata have this `NAME=VALUE` (repeatable)"}
)

// searchFlags returns the flags of a search for jobs, without the states.
func searchFlags() []cli.Flag {
	return []cli.Flag{sinceFlag, untilFlag, withTagFlag, withErrorFlag, metadataFlag}
}

// jobSearch parses the search flags.
func jobSearch(c *cli.Context, now time.Time) (f jobs.JobSearch, err error) {
	f.Tags, f.Error = c.StringSlice(withTagFlag.Name), c.String(withErrorFlag.Name)
	if f.Since, err = parseTime(sinceFlag.Name, c.String(sinceFlag.Name), now); err != nil {
		return f, err
	}
	if f.Until, err = parseTime(untilFlag.Name, c.String(untilFlag.Name), now); err != nil {
		return f, err
	}
	for _, given := range c.StringSlice(metadataFlag.Name) {
		name, value, found := strings.Cut(given, "=")
		if _, twice := f.Metadata[name]; !found || name == "" || twice {
			return f, badUsage("--metadata %q: want NAME=VALUE, each name once", given)
		}
		if f.Metadata == nil {
			f.Metadata = map[string]string{}
		}
		f.Metadata[name] = value
	}
	return f, nil
}

// parseTime parses a time. It returns the zero time if the text is empty.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, badUsage("--%s %q: want a time such as 2026-03-01T06:00:00Z, a date such as 2026-03-01, or how long ago, such as 2h", flag, text)
}
