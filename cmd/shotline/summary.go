package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

func summaryCommand() *cli.Command {
	return &cli.Command{
		Name:      "summary",
		Usage:     "print the summary of a batch as text, JSON, CSV or an HTML contact sheet",
		ArgsUsage: "BATCH",
		Flags: storeFlags(
			&cli.StringFlag{Name: "format", Value: "text", Usage: "text, json, csv or html"}, jsonFlag,
			outFlag,
			&cli.BoolFlag{Name: "pictures", Usage: "with html and --out: download the images into a folder beside the file (needs --api-key)"},
			imageModeFlag, apiKeyFlag, baseURLFlag,
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
	format, out := c.String("format"), c.String(outFlag.Name)
	if c.Bool(jsonFlag.Name) {
		format = "json"
	}
	write, known := summaryWriters[format]
	if !known {
		return badUsage("--format %q: want text, json, csv or html", format)
	}
	if c.Bool("pictures") {
		if format != "html" || toStdout(out) {
			return badUsage("--pictures needs --format html and --out FILE: the images are stored next to the file")
		}
		key, err := apiKey(c)
		if err != nil {
			return err
		}
		vendor, err := client.New(client.WithAPIKey(key), client.WithBaseURL(c.String(baseURLFlag.Name)), client.WithUserAgent("shotline/"+version))
		if err != nil {
			return badUsage("%w", err)
		}
		mode, err := imageMode(c)
		if err != nil {
			return err
		}
		if err := checkOut(c, out); err != nil {
			return err
		}
		return writeSheetFile(c.Context, out, mode, !c.IsSet(imageModeFlag.Name), store, vendor, batch, c.App.ErrWriter)
	}
	s, err := summary.Load(c.Context, store, batch, clock.Now())
	if err != nil {
		return err
	}
	return writeOut(c, func(w io.Writer) error { return write(c.Context, w, s, store) })
}

// summaryWriters maps the name of a format to its writer.
var summaryWriters = map[string]func(context.Context, io.Writer, summary.Summary, jobs.Reader) error{
	"text": func(_ context.Context, w io.Writer, s summary.Summary, _ jobs.Reader) error {
		return writeSummaryText(w, s)
	},
	"json": func(_ context.Context, w io.Writer, s summary.Summary, _ jobs.Reader) error {
		return summary.WriteJSON(w, s)
	},
	"csv": func(_ context.Context, w io.Writer, s summary.Summary, _ jobs.Reader) error {
		return summary.WriteCSV(w, s)
	},
	"html": func(ctx context.Context, w io.Writer, s summary.Summary, store jobs.Reader) error {
		linked := func(j jobs.Job) (string, error) { return j.ImageURL, nil }
		return summary.WriteHTML(w, s, summary.Sheet{Next: summary.Cards(ctx, store, s.BatchID, linked)})
	},
}

func writeSummaryText(w io.Writer, s summary.Summary) error {
	if isTerminal(w) && os.Getenv("NO_COLOR") == "" {
		return summary.WriteText(w, s, summary.Colored())
	}
	return summary.WriteText(w, s)
}
