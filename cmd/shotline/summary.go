package main

import (
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

func summaryCommand() *cli.Command {
	return &cli.Command{
		Name:      "summary",
		Usage:     "print the summary of a batch as text, JSON, CSV or an HTML contact sheet",
		ArgsUsage: "BATCH",
		Flags: storeFlags(
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT`: text, json, csv or html"}, jsonFlag,
			outFlag,
			captionFlag, failedFirstFlag, picturesFlag, picturesFromFlag, imageModeFlag, apiKeyFlag, baseURLFlag,
		),
		Action: func(c *cli.Context) error {
			batch, err := oneArgument(c, "a batch id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return summarize(c, store, batch) })
		},
	}
}

func summarize(c *cli.Context, store jobs.Store, batch string) error {
	format := c.String("format")
	if c.Bool(jsonFlag.Name) {
		format = "json"
	}
	write, known := summaryWriters[format]
	if !known && format != "html" {
		return badUsage("--format %q: want text, json, csv or html", format)
	}
	sheet, err := sheetFrom(c, format)
	if err != nil {
		return err
	}
	if format == "html" {
		return writeSheet(c, store, batch, sheet)
	}
	s, err := summary.Load(c.Context, store, batch, clock.Now())
	if err != nil {
		return err
	}
	return writeOut(c, func(w io.Writer) error { return write(w, s) })
}

// summaryWriters maps the name of a format to its writer.
var summaryWriters = map[string]func(io.Writer, summary.Summary) error{
	"text": writeSummaryText,
	"json": summary.WriteJSON,
	"csv":  summary.WriteCSV,
}

func writeSummaryText(w io.Writer, s summary.Summary) error {
	if isTerminal(w) && os.Getenv("NO_COLOR") == "" {
		return summary.WriteText(w, s, summary.Colored())
	}
	return summary.WriteText(w, s)
}
