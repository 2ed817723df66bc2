package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client/outward"
	"shotline/client/parameter"
	"shotline/jobs"
	inputs "shotline/jobs/input"
	"shotline/jobs/weburl"
	"shotline/orchestrator"
	"shotline/orchestrator/engine"
)

var (
	paramFlag     = &cli.StringSliceFlag{Name: "param", Usage: "vendor parameter for all rows: `NAME=VALUE` (repeatable)"}
	maxRowsFlag   = &cli.IntFlag{Name: "max-rows", EnvVars: []string{"SHOTLINE_MAX_ROWS"}, Value: defaultMaxRows, Usage: "largest `NUMBER` of rows in a batch; an input with more rows is refused as a whole"}
	encodingFlag  = &cli.StringFlag{Name: "encoding", Usage: "encoding `NAME` of the input, such as windows-1252; without it, the content decides"}
	urlColumnFlag = &cli.StringFlag{Name: "url-column", Usage: "`NAME` or number of the column with the URLs; without it, its name or its content decides"}
	tagFlag       = &cli.StringSliceFlag{Name: "tag", Usage: "`TAG` for all rows (repeatable)"}
)

// defaultMaxRows is the default of --max-rows, five times the size of the largest
// known lists.
const defaultMaxRows = 1_000_000

// inputFlags returns the flags of commands that import rows.
func inputFlags() []cli.Flag {
	return []cli.Flag{paramFlag, tagFlag, budgetFlag, dryRunFlag, maxRowsFlag, encodingFlag, urlColumnFlag}
}

// maxRows returns --max-rows, or its default if the command has no such flag.
func maxRows(c *cli.Context) (int, error) {
	if findFlag(c.Command.Flags, maxRowsFlag.Name) == nil {
		return defaultMaxRows, nil
	}
	n := c.Int(maxRowsFlag.Name)
	if n <= 0 {
		return 0, badUsage("--%s %d: want a number above zero", maxRowsFlag.Name, n)
	}
	return n, nil
}

// input is a source of rows for a new batch.
type input struct {
	spec   jobs.BatchSpec
	rows   orchestrator.Requests
	files  []io.Closer
	fields map[string]int // see jobs.AmendOptions
	notes  []string       // what the columns were taken for, and probable mistakes
}

func (in *input) Close() error {
	var err error
	for _, file := range in.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// printNotes prints a line for each note.
func (in *input) printNotes(w io.Writer) {
	for _, note := range in.notes {
		fmt.Fprintln(w, printable(note))
	}
}

// openInput opens files, standard input ("-"), or a list of URLs from the
// arguments. It reads the beginning of each input and returns an error if that
// cannot be a list of URLs.
func openInput(c *cli.Context) (*input, error) {
	in, err := openRows(c)
	if err == nil {
		in.notes = append(paramNotes(c), in.notes...)
	}
	return in, err
}

func openRows(c *cli.Context) (*input, error) {
	spec := jobs.BatchSpec{ID: engine.NewID()}
	if _, err := maxRows(c); err != nil {
		return nil, err
	}
	var err error
	if spec.Params, err = batchParams(c); err != nil {
		return nil, err
	}
	if spec.Budget, err = budget(c, budgetFlag.Name); err != nil {
		return nil, err
	}
	for _, tag := range c.StringSlice(tagFlag.Name) {
		if strings.HasPrefix(tag, jobs.TagPrefix) {
			return nil, badUsage("--tag %q: tags that begin with %q are Shotline's own", tag, jobs.TagPrefix)
		}
		spec.Tags = append(spec.Tags, tag)
	}
	if c.IsSet(appIDFlag.Name) {
		if spec.Apps, err = apps(c); err != nil {
			return nil, err
		}
	}

	args := c.Args().Slice()
	switch {
	case len(args) == 0 && findFlag(c.Command.Flags, batchFlag.Name) != nil:
		return nil, badUsage("%s: give a CSV file, - for standard input, or URLs; or continue a batch with --%s", c.Command.Name, batchFlag.Name)
	case len(args) == 0:
		return nil, badUsage("%s: give a CSV file, - for standard input, or URLs", c.Command.Name)
	case isURL(args[0]):
		if err := checkURLs(c.Command.Name, args); err != nil {
			return nil, err
		}
		spec.Source = "command line"
		return &input{spec: spec, rows: &urlList{urls: args}}, nil
	}
	opts := inputs.Options{Encoding: c.String(encodingFlag.Name), URLColumn: c.String(urlColumnFlag.Name), Amends: c.IsSet(intoFlag.Name)}
	if opts.Encoding != "" {
		if err := inputs.CheckEncoding(opts.Encoding); err != nil {
			return nil, badUsage("--%s: %w", encodingFlag.Name, err)
		}
	}
	return openFiles(spec, c.Command.Name, args, c.App.Reader, opts)
}

// checkURLs returns an error if one of the arguments after a URL is an input of
// another kind: the name of a file can look like a host.
func checkURLs(command string, args []string) error {
	for _, arg := range args[1:] {
		if arg == "-" {
			return badUsage("%s: give either URLs or - for standard input, not both", command)
		}
		if isURL(arg) {
			continue
		}
		if info, err := os.Stat(arg); err == nil && !info.IsDir() {
			return badUsage("%s: give either files or URLs: %s is a file; write https://%s if it is a host", command, arg, arg)
		}
	}
	return nil
}

// openFiles opens files by name; - is standard input.
func openFiles(spec jobs.BatchSpec, command string, names []string, stdin io.Reader, opts inputs.Options) (*input, error) {
	for i, name := range names {
		switch {
		case name == "":
			return nil, badUsage("%s: the file's name is empty", command)
		case isURL(name):
			return nil, badUsage("%s: give either files or URLs, not %s and %s", command, names[0], name)
		case name == "-" && slices.Contains(names[:i], "-"):
			return nil, badUsage("%s: standard input can be read only once", command)
		}
	}
	opts.CheckURL = anyNetwork.CheckURL
	reader, err := inputs.OpenFiles(names, stdin, opts)
	if errors.Is(err, inputs.ErrCopy) {
		return nil, err
	}
	if err != nil {
		return nil, badUsage("%w", err)
	}
	spec.Source, spec.Columns, spec.Dialect = sourceOf(names), reader.Columns(), reader.Dialect()
	return &input{spec: spec, rows: reader, files: []io.Closer{reader}, fields: reader.Fields(), notes: reader.Notes()}, nil
}

// maxNamed is how many files the source of a batch names.
const maxNamed = 3

// sourceOf returns the source of a batch that was read from files.
func sourceOf(names []string) string {
	named := slices.Clone(names[:min(len(names), maxNamed)])
	for i, name := range named {
		if name == "-" {
			named[i] = "standard input"
		}
	}
	source := strings.Join(named, ", ")
	if more := len(names) - len(named); more > 0 {
		source += fmt.Sprintf(" and %d more", more)
	}
	return source
}

// anyNetwork checks the callback URLs of rows, except their networks. The process
// that calls them knows which networks are allowed.
var anyNetwork = outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})

func isURL(s string) bool {
	lower := strings.ToLower(s)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// urlList yields a row for each URL of the command line.
type urlList struct {
	urls []string
	next int
}

func (l *urlList) Next() (jobs.Request, error) {
	if l.next == len(l.urls) {
		return jobs.Request{}, io.EOF
	}
	raw := l.urls[l.next]
	l.next++
	request := jobs.Request{Line: l.next, URL: raw}
	if url, err := weburl.Normalize(raw); err != nil {
		request.Reject = err.Error()
	} else {
		request.URL = url
	}
	return request, nil
}

// batchParams parses --param NAME=VALUE. A value gets the same type as in a CSV
// column with that name.
func batchParams(c *cli.Context) (jobs.Params, error) {
	params := jobs.Params{}
	for _, given := range c.StringSlice(paramFlag.Name) {
		name, text, found := strings.Cut(given, "=")
		if !found || name == "" {
			return nil, badUsage("--param %q: want NAME=VALUE", given)
		}
		known, value, err := parameter.Parse(name, text)
		if err != nil {
			return nil, badUsage("--param %s: %w", name, err)
		}
		params[known] = value
	}
	if len(params) == 0 {
		return nil, nil
	}
	return params, nil
}

// paramNotes returns notes on the names of --param that resemble a parameter.
func paramNotes(c *cli.Context) (notes []string) {
	for _, given := range c.StringSlice(paramFlag.Name) {
		name, _, _ := strings.Cut(given, "=")
		if advice := parameter.Advice(name); advice != "" {
			notes = append(notes, fmt.Sprintf("--param %s: %s", name, advice))
		}
	}
	return notes
}

// sameWithin is the time within which the rows of a file are not submitted twice
// without --again. It is less than a day, so that a list can be submitted daily.
const sameWithin = 20 * time.Hour

// notWithin returns the time within which the same rows must not have been
// submitted. It is 0 for the URLs of a command line.
func (in *input) notWithin(c *cli.Context) time.Duration {
	if len(in.files) == 0 || c.Bool(againFlag.Name) {
		return 0
	}
	return sameWithin
}

// importInput imports the input as a batch. If the input cannot be read to its
// end, no batch remains.
func importInput(c *cli.Context, store jobs.Store, in *input) (jobs.Batch, error) {
	p := newProgress(progressWriter(c))
	defer p.end()
	rowLimit, err := maxRows(c)
	if err != nil {
		return jobs.Batch{}, err
	}
	limits := orchestrator.Limits{Rows: rowLimit, Room: func() error { return roomForWork(c.Context, store, c.String(dbFlag.Name)) }}
	b, err := orchestrator.Import(c.Context, store, in.spec, limits.Guard(in.rows), clock, orchestrator.ImportOptions{Progress: p.rows, NotWithin: in.notWithin(c)})
	var same *jobs.SameRowsError
	if errors.As(err, &same) {
		return b, badUsage("%s: %w: --%s submits them once more; `shotline status %s` shows that batch", in.spec.Source, same, againFlag.Name, same.Batch)
	}
	if c.Context.Err() != nil && err != nil {
		return b, &exitError{exitFailed, errors.New("interrupted: nothing was submitted")}
	}
	if errors.Is(err, orchestrator.ErrInput) {
		return b, badUsage("%s: %w", in.spec.Source, err)
	}
	if err != nil {
		return b, fmt.Errorf("%s: %w", in.spec.Source, err)
	}
	return b, nil
}
