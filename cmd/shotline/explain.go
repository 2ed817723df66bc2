package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
	"shotline/jobs/timeline"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell everything that happened to a job, where it stands, and what comes next",
		ArgsUsage: "JOB",
		Flags:     storeFlags(jsonFlag),
		Action: func(c *cli.Context) error {
			arg, err := oneArgument(c, "a job id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return explain(c, store, arg) })
		},
	}
}

func explain(c *cli.Context, store jobs.Store, arg string) error {
	id, err := jobs.ParseID(arg)
	if err != nil {
		if b, notFound := store.Batch(c.Context, arg); notFound == nil {
			return badUsage("%s is a batch: give the id of one of its jobs, such as %s; shotline list %s lists them",
				arg, jobs.ID{Batch: b.ID, Row: 1}, b.ID)
		}
		return err
	}
	entries, err := timeline.Of(c.Context, store, id, clock.Now())
	if errors.Is(err, jobs.ErrNotFound) {
		return badUsage("there is no job %s in %s", id, c.String(dbFlag.Name))
	}
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		out := json.NewEncoder(c.App.Writer)
		for _, e := range entries {
			if err := out.Encode(e); err != nil {
				return err
			}
		}
		return nil
	}
	j, err := store.Job(c.Context, id)
	if err != nil {
		return err
	}
	return printTimeline(c.App.Writer, j, entries)
}

// explainWidth is the width of the output of explain, explainIndent that of its
// column of times.
const (
	explainWidth  = 80
	explainIndent = len(time.DateTime) + 2
)

// printTimeline writes a timeline in lines of explainWidth.
func printTimeline(w io.Writer, j jobs.Job, entries []timeline.Entry) error {
	var s strings.Builder
	fmt.Fprintf(&s, "job %s\n", j.ID)
	for _, line := range folded(j.URL, explainWidth-2) {
		fmt.Fprintf(&s, "  %s\n", line)
	}
	s.WriteByte('\n')
	for _, e := range entries {
		label := ""
		switch {
		case e.Kind == timeline.KindNow:
			label = "now"
		case !e.At.IsZero():
			label = e.At.Local().Format(time.DateTime)
		}
		text := e.Text
		if e.Kind == timeline.KindNext {
			text = "next: " + text
		}
		for _, line := range folded(text, explainWidth-explainIndent) {
			fmt.Fprintf(&s, "%-*s%s\n", explainIndent, label, line)
			label = ""
		}
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// folded splits text of unknown origin into lines of at most width characters. It
// also splits words that are longer.
func folded(text string, width int) (lines []string) {
	for _, line := range summary.Wrapped(printable(text), width) {
		for utf8.RuneCountInString(line) > width {
			runes := []rune(line)
			lines, line = append(lines, string(runes[:width])), string(runes[width:])
		}
		lines = append(lines, line)
	}
	return lines
}
