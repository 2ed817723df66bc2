package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/compare"
	"shotline/jobs/number"
	"shotline/jobs/wholefile"
)

var (
	compareByFlag       = &cli.StringFlag{Name: "by", Usage: "find the rows by their value in this `COLUMN` (default: by their URL and parameters)"}
	compareFormat       = &cli.StringFlag{Name: "format", Value: "text", Usage: "text, json, csv or html"}
	comparePicturesFlag = &cli.BoolFlag{Name: "pictures", Usage: "compare the pictures, too: those that are saved, and the others from the vendor (needs --api-key)"}
	comparePagesFlag    = &cli.BoolFlag{Name: "pages", Usage: "compare the final URLs and, if the HTML was requested, the titles of the pages, too (needs --api-key)"}
	thresholdFlag       = &cli.Float64Flag{Name: "threshold", Value: 0.01, Usage: "a picture has changed if more than this `PERCENT` of its pixels look different"}
	dirAFlag            = &cli.StringFlag{Name: "dir-a", Usage: "use the pictures of the first batch that download, run or serve saved in this `DIR` (default: where the database knows them)"}
	dirBFlag            = &cli.StringFlag{Name: "dir-b", Usage: "use the pictures of the second batch that are saved in this `DIR`"}
)

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "compare two batches of the same list, or a rerun with the batch that it repeats",
		ArgsUsage: "A [B]",
		Description: "The exit code is 0 if nothing differs, and 3 if something differs or could not be compared.\n" +
			"With one argument, or with --latest, the batch is a rerun and is compared with the batch that it repeats.",
		Flags: storeFlags(latestFlag, compareByFlag, comparePicturesFlag, thresholdFlag, dirAFlag, dirBFlag, comparePagesFlag,
			compareFormat, jsonFlag, outFlag, imageModeFlag, parallelFlag, apiKeyFlag, baseURLFlag, requestTimeoutFlag),
		Action: func(c *cli.Context) error {
			o, err := comparisonFrom(c)
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return o.do(store) })
		},
	}
}

// comparison is a run of the command.
type comparison struct {
	c         *cli.Context
	format    string
	pictures  bool
	pages     bool
	threshold float64 // share of pixels
	options   compare.Options
	page      *comparisonPage // with html and --out; nil: everything is in the output
}

// compareWriters maps the name of a format to its writer.
var compareWriters = map[string]func(context.Context, io.Writer, *compare.Report) error{
	"text": compare.WriteText, "json": compare.WriteJSON, "csv": compare.WriteCSV,
	"html": func(ctx context.Context, w io.Writer, r *compare.Report) error {
		return compare.WriteHTML(ctx, w, r, compare.Pages{})
	},
}

// comparisonFrom parses the flags.
func comparisonFrom(c *cli.Context) (o comparison, err error) {
	o = comparison{c: c, format: c.String(compareFormat.Name), pictures: c.Bool(comparePicturesFlag.Name), pages: c.Bool(comparePagesFlag.Name)}
	if c.Bool(jsonFlag.Name) {
		o.format = "json"
	}
	latest := c.IsSet(latestFlag.Name)
	switch {
	case compareWriters[o.format] == nil:
		return o, badUsage("--%s %q: want text, json, csv or html", compareFormat.Name, o.format)
	case latest && c.Args().Present():
		return o, badUsage("compare: give either batches or --%s", latestFlag.Name)
	case !latest && (c.NArg() < 1 || c.NArg() > 2):
		return o, badUsage("compare: give the ids of two batches, or of one rerun")
	case c.NArg() == 2 && c.Args().Get(0) == c.Args().Get(1):
		return o, badUsage("compare: %s is given twice: give two batches", c.Args().First())
	}
	for _, flag := range []cli.Flag{thresholdFlag, dirAFlag, dirBFlag} {
		if name := flag.Names()[0]; c.IsSet(name) && !o.pictures {
			return o, badUsage("--%s needs --%s", name, comparePicturesFlag.Name)
		}
	}
	percent := c.Float64(thresholdFlag.Name)
	if !(percent >= 0 && percent < 100) {
		return o, badUsage("--%s %v: want a percentage from 0 to below 100", thresholdFlag.Name, percent)
	}
	o.threshold = percent / 100
	o.options = compare.Options{By: strings.TrimSpace(c.String(compareByFlag.Name)), Parallel: c.Int(parallelFlag.Name)}
	if c.IsSet(compareByFlag.Name) && o.options.By == "" {
		return o, badUsage("--%s: the name of the column is empty", compareByFlag.Name)
	}
	if o.options.Parallel < 1 || o.options.Parallel > maxParallel {
		return o, badUsage("--%s %d: want a number from 1 to %d", parallelFlag.Name, o.options.Parallel, maxParallel)
	}
	o.page, err = comparisonPageFrom(c, o.format, o.pictures)
	return o, err
}

// batches returns the batches of the arguments.
func (o comparison) batches(store jobs.Store) (a, b jobs.Batch, err error) {
	c := o.c
	if a, err = batchOrLatest(c, store); err != nil {
		return a, b, err
	}
	if c.NArg() == 2 {
		b, err = store.Batch(c.Context, c.Args().Get(1))
	} else {
		if b = a; b.RerunOf == "" {
			return a, b, badUsage("batch %s is not a rerun: give the batch that it is compared with", b.ID)
		}
		a, err = store.Batch(c.Context, b.RerunOf)
	}
	for _, batch := range []jobs.Batch{a, b} {
		if err == nil && batch.State != jobs.BatchFinished {
			err = badUsage("batch %s has not ended, it is %s: wait for its end with `shotline wait %s`", batch.ID, batch.State, batch.ID)
		}
	}
	return a, b, err
}

func (o comparison) do(store jobs.Store) (err error) {
	a, b, err := o.batches(store)
	if err != nil {
		return err
	}
	p := newProgress(o.c.App.ErrWriter)
	defer p.end()
	if o.pictures || o.pages {
		looker, err := o.looker(store, a, b)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, looker.close()) }()
		p.noun = "rows looked at"
		o.options.Looker = looker
		o.options.Progress = func(n, of int64) { p.show(n, of, looker.progress()) }
	}
	report, err := compare.Run(o.c.Context, store, a, b, o.options)
	p.end()
	if err != nil && o.page != nil {
		err = errors.Join(err, o.page.remove(true))
	}
	var column *compare.ColumnError
	switch {
	case errors.As(err, &column):
		return badUsage("--%s: %w", compareByFlag.Name, column)
	case err != nil && o.c.Context.Err() != nil:
		return &exitError{exitFailed, errors.New("interrupted")}
	case err != nil:
		return outError(err)
	}
	defer func() { err = errors.Join(err, report.Close()) }()
	if err := o.write(report); err != nil {
		return err
	}
	if n := report.Counts.Kinds[compare.NotCompared]; n > 0 && o.format != "text" {
		fmt.Fprintf(o.c.App.ErrWriter, "%s could not be compared completely: the report says why\n", number.Of(n, "row"))
	}
	if report.Counts.Differ() {
		return &exitError{code: exitFlawed}
	}
	return nil
}

func (o comparison) write(report *compare.Report) error {
	if o.page != nil {
		return o.page.write(o.c.Context, report)
	}
	return writeOut(o.c, func(w io.Writer) error { return compareWriters[o.format](o.c.Context, w, report) })
}

// comparisonPage is an HTML report with its files. Names of files are new each
// time, so that an old report stays complete until the new one replaces it.
type comparisonPage struct {
	path     string
	keepMode bool
	files    sheetFolder // other pages
	pictures sheetFolder
}

// comparisonPageFrom returns where the parts of an HTML report are written, or nil
// if there is only one.
func comparisonPageFrom(c *cli.Context, format string, pictures bool) (*comparisonPage, error) {
	out := c.String(outFlag.Name)
	alone := toStdout(out)
	if info, err := os.Stat(out); !alone && err == nil && !info.Mode().IsRegular() {
		alone = true
	}
	switch {
	case c.IsSet(imageModeFlag.Name) && (format != "html" || !pictures):
		return nil, badUsage("--%s needs --%s html and --%s", imageModeFlag.Name, compareFormat.Name, comparePicturesFlag.Name)
	case format != "html" || alone && !pictures:
		return nil, nil
	case alone && !toStdout(out):
		_, err := wholefile.Resolve(out)
		return nil, outError(err)
	case alone:
		return nil, badUsage("--%s with --%s html needs --%s FILE: the pictures are beside the file", comparePicturesFlag.Name, compareFormat.Name, outFlag.Name)
	}
	if err := checkOut(c, out); err != nil {
		return nil, err
	}
	p := &comparisonPage{path: out, keepMode: !c.IsSet(imageModeFlag.Name)}
	prefix := strings.ToLower(rand.Text()[:8]) + "-"
	p.files = sheetFolder{path: besideFile(out, "_files"), prefix: prefix}
	p.pictures = sheetFolder{path: besideFile(out, "_pictures"), prefix: prefix}
	if pictures {
		mode, err := imageMode(c)
		if err != nil {
			return nil, err
		}
		p.files.mode, p.pictures.mode = mode, mode
	}
	return p, nil
}

// write writes the pages, and removes the files of the report that they replace.
func (p *comparisonPage) write(ctx context.Context, report *compare.Report) error {
	target, err := wholefile.Resolve(p.path)
	if err != nil {
		return outError(err)
	}
	mode := p.files.mode
	if p.keepMode && target.Info != nil {
		mode = 0 // it keeps its own
	}
	pages := compare.Pages{WriteFile: p.files.write, Folder: filepath.Base(p.files.path), FilePrefix: p.files.prefix, First: filepath.Base(p.path)}
	err = wholefile.Write(p.path, mode, func(w io.Writer) error { return compare.WriteHTML(ctx, w, report, pages) })
	if err != nil {
		return outError(errors.Join(err, p.remove(true)))
	}
	return outError(p.remove(false))
}

// remove removes the files of this report, or those of all others.
func (p *comparisonPage) remove(own bool) error {
	return errors.Join(p.files.remove(own), p.pictures.remove(own))
}
