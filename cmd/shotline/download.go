package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/number"
	"shotline/orchestrator/download"
)

var (
	dirFlag       = &cli.StringFlag{Name: "dir", Usage: "save the files in this `DIR`, which is created if it does not exist (required)"}
	fileNameFlag  = &cli.StringFlag{Name: "name", Value: artifact.DefaultTemplate, Usage: "`TEMPLATE` of file names: variables and columns in braces, / between folders"}
	outputFlag    = &cli.StringSliceFlag{Name: "output", Usage: "only this `OUTPUT`: image, html, pdf or video (repeatable, or comma-separated; default: all that were requested)"}
	noClobberFlag = &cli.BoolFlag{Name: "no-clobber", Usage: "keep files that exist, instead of replacing them"}
	callRateFlag  = &cli.StringFlag{Name: "limit", DefaultText: "no limit", Usage: "limit of vendor calls: `N/s` or N/m"}
	parallelFlag  = &cli.IntFlag{Name: "parallel", Value: download.DefaultParallel, Usage: "fetch `N` files at once"}
)

// downloadCache is the cache of the database for a download, in bytes. It records
// files in the order of rows, so a larger one would only fill with the batch.
const downloadCache = 2 << 20

// maxParallel is the largest value of --parallel.
const maxParallel = 64

func downloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "download",
		Usage:     "save the images and other outputs of batches or jobs as files",
		ArgsUsage: "BATCH|JOB…",
		Flags: storeFlags(dirFlag, fileNameFlag, outputFlag, noClobberFlag, callRateFlag, parallelFlag, imageModeFlag, jsonFlag,
			apiKeyFlag, baseURLFlag, requestTimeoutFlag),
		Action: func(c *cli.Context) error {
			d, err := downloadFrom(c)
			if err != nil {
				return err
			}
			options := jobs.OpenOptions{Purpose: jobs.ForCommand, CacheBytes: downloadCache}
			return withStoreOptions(c, options, func(store jobs.Store) error { return d.do(c, store) })
		},
	}
}

// downloadRun is a run of the command.
type downloadRun struct {
	dir     string
	name    string
	mode    fs.FileMode
	outputs []jobs.Output
	config  download.Config
	vendor  *client.Client
}

// downloadFrom parses the flags.
func downloadFrom(c *cli.Context) (d downloadRun, err error) {
	if d.dir, d.name = c.String(dirFlag.Name), c.String(fileNameFlag.Name); d.dir == "" {
		return d, badUsage("--%s is missing: give the folder for the files", dirFlag.Name)
	}
	if !c.Args().Present() {
		return d, badUsage("%s: a batch or job id is missing", c.Command.Name)
	}
	for _, name := range listValues(c, outputFlag.Name) {
		output := jobs.Output(name)
		if !slices.Contains(jobs.Outputs, output) {
			return d, badUsage("--%s %q: want image, html, pdf or video", outputFlag.Name, name)
		}
		d.outputs = append(d.outputs, output)
	}
	d.config = download.Config{
		Parallel: c.Int(parallelFlag.Name), NoClobber: c.Bool(noClobberFlag.Name), Retry: client.OutputRetryPolicy(rand.Float64),
	}
	if d.config.Parallel < 1 || d.config.Parallel > maxParallel {
		return d, badUsage("--%s %d: want a number from 1 to %d", parallelFlag.Name, d.config.Parallel, maxParallel)
	}
	if text := c.String(callRateFlag.Name); text != "" {
		if d.config.Rate, err = parseRate(text); err != nil {
			return d, badUsage("--%s %q: want a number of calls, such as 20/s or 600/m", callRateFlag.Name, text)
		}
	}
	if d.mode, err = imageMode(c); err != nil {
		return d, err
	}
	key, err := apiKey(c)
	if err != nil {
		return d, err
	}
	d.vendor, err = vendorFrom(c, key)
	return d, err
}

// do downloads the files of all arguments.
func (d downloadRun) do(c *cli.Context, store jobs.Store) (err error) {
	defer d.vendor.CloseIdleConnections()
	orders, err := d.orders(c, store)
	if err != nil {
		return err
	}
	folder, err := artifact.OpenFolder(d.dir, d.mode)
	if err != nil {
		return folderError(err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	manifest, err := openManifest(c.Context, folder)
	if err != nil {
		return fmt.Errorf("--%s %s: %w", dirFlag.Name, d.dir, err)
	}
	defer func() { err = errors.Join(err, manifest.Close()) }()

	recorded, err := filepath.Abs(d.dir)
	if err != nil {
		return fmt.Errorf("--%s %s: %w", dirFlag.Name, d.dir, err)
	}
	ledger := download.ManifestLedger{Manifest: manifest, Folder: recorded, Recorder: store, Clock: clock}
	source := &download.Source{Reader: store, Folder: folder, Manifest: manifest, Keep: d.config.NoClobber}
	report := newDownloadReport(c, source, orders)
	counts, err := download.Run(c.Context, d.config, download.Parts{
		Vendor: d.vendor, Folder: folder, Ledger: ledger, Clock: clock, Ended: report.ended, Room: func() error { return roomForFiles(d.dir) },
	}, source.Join(c.Context, orders))
	report.progress.end()
	report.counts = counts
	if err != nil {
		// The entries are on disk already. Without room, they cannot be sorted.
		return errors.Join(runError(c, err, counts), manifestError(manifest.Finish(), err))
	}
	if err := manifest.Finish(); err != nil {
		return runError(c, err, counts)
	}
	return report.print(d.dir)
}

// manifestWait is how long a command waits for a process that writes to the same
// folder. A serve or run writes for moments.
const manifestWait = 10 * time.Second

func openManifest(ctx context.Context, folder *artifact.Folder) (*artifact.Manifest, error) {
	return download.OpenManifest(ctx, clock, manifestWait, func() (*artifact.Manifest, error) { return artifact.OpenManifest(folder) })
}

// manifestError returns the error of the manifest's last step, unless the disk is
// already known not to work.
func manifestError(err, run error) error {
	var disk *artifact.DiskError
	if errors.As(run, &disk) || errors.Is(run, jobs.ErrNoRoom) {
		return nil
	}
	return err
}

// orders returns what each argument orders. It checks all arguments before
// anything is written.
func (d downloadRun) orders(c *cli.Context, store jobs.Store) (orders []download.Order, err error) {
	batches := map[string]*jobs.Batch{}
	whole := map[string]bool{} // batches that are ordered as a whole
	seen := map[jobs.ID]bool{}
	for _, arg := range c.Args().Slice() {
		if _, err := jobs.ParseID(arg); err != nil {
			whole[arg] = true
		}
	}
	for _, arg := range c.Args().Slice() {
		id, err := jobs.ParseID(arg)
		if isJob := err == nil; !isJob {
			id = jobs.ID{Batch: arg}
		}
		if seen[id] || id.Row > 0 && whole[id.Batch] {
			continue
		}
		seen[id] = true
		order := download.Order{Outputs: d.outputs}
		if id.Row > 0 {
			if order.Job, err = finishedJob(c.Context, store, id); err != nil {
				return nil, err
			}
		}
		if batches[id.Batch] == nil {
			b, err := store.Batch(c.Context, id.Batch)
			if err != nil {
				return nil, err
			}
			if b.State == jobs.BatchImporting {
				return nil, badUsage("download %s: it is importing", b.ID)
			}
			batches[id.Batch] = &b
		}
		order.Batch = *batches[id.Batch]
		if order.Template, err = artifact.ParseTemplate(d.name, order.Batch.Columns); err != nil {
			return nil, badUsage("--%s: %w (batch %s)", fileNameFlag.Name, err, id.Batch)
		}
		orders = append(orders, order)
	}
	return orders, nil
}

// finishedJob returns a job that can have files. For a duplicate, that is the
// original job.
func finishedJob(ctx context.Context, store jobs.Store, id jobs.ID) (*jobs.Job, error) {
	j, err := store.Job(ctx, id)
	if err == nil && j.State == jobs.Duplicate {
		j, err = store.Job(ctx, jobs.ID{Batch: id.Batch, Row: j.DuplicateOf})
	}
	switch {
	case err != nil:
		return nil, err
	case j.State != jobs.Done || j.ScreenshotID == "":
		return nil, &exitError{exitFlawed, fmt.Errorf("job %s is %s and has no files", id, j.State)}
	}
	return &j, nil
}

// folderError returns the error of a folder that cannot be used. The folder is
// wrong, unless the disk does not work.
func folderError(err error) error {
	for _, trouble := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, trouble) {
			return fmt.Errorf("--%s: %w", dirFlag.Name, err)
		}
	}
	return badUsage("--%s: %w", dirFlag.Name, err)
}

// runError returns the error of a download that stopped, with what to do.
func runError(c *cli.Context, err error, counts download.Counts) error {
	saved := number.Of(counts.Saved, "file")
	var disk *artifact.DiskError
	switch {
	case c.Context.Err() != nil:
		return &exitError{exitFailed, fmt.Errorf("interrupted: %s saved; the same command continues", saved)}
	case errors.Is(err, jobs.ErrNoRoom), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: free some space, then run the same command again to continue (%s saved)", err, saved)
	case errors.As(err, &disk):
		return fmt.Errorf("%w (%s saved)", err, saved)
	case errors.Is(err, client.ErrUnauthorized):
		return fmt.Errorf("the vendor refuses the API key: %w", err)
	}
	return fmt.Errorf("%w; the same command continues (%s saved)", err, saved)
}
