package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/client/sandbox"
	"shotline/jobs"
	inputs "shotline/jobs/input"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/orchestrator/api"
	"shotline/orchestrator/engine"
	"shotline/testdata"
)

// demoExpectColumn is the column of the demo's file that holds the expected final
// state of a row.
const demoExpectColumn = "expect"

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "show everything at work in one process: sandbox, webhooks, queue, summary, images",
		ArgsUsage: "[FILE|-]",
		Flags:     []cli.Flag{rendererFlag, chromeFlag, tabsFlag, pageTimeFlag, logFlag, configFlag},
		Action:    demo,
	}
}

// demo runs a batch against its own sandbox over loopback. It keeps the temporary
// folder, so that the user can look at the results.
func demo(c *cli.Context) error {
	log, err := newLogger(c, slog.LevelWarn)
	if err != nil {
		return err
	}
	if c.NArg() > 1 {
		return badUsage("demo: one file at a time, got %d arguments", c.NArg())
	}
	in, err := demoInput(c.App.Reader, c.Args().Slice())
	if err != nil {
		return err
	}
	defer in.Close()
	folder, err := os.MkdirTemp("", "shotline-demo-")
	if err != nil {
		return err
	}
	database := filepath.Join(folder, "shotline.db")
	store, err := openStore(c.Context, database, jobs.OpenOptions{Purpose: jobs.ForCommand, Logger: log})
	if err != nil {
		return err
	}
	defer store.Close()

	secret, key := rand.Text(), rand.Text()
	listener, err := listen(listenFlag.Name, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	hooks := listener.Addr().String()
	renderer, err := newRenderer(c, log)
	if err != nil {
		return err
	}
	vendor, err := startSandbox(sandbox.Config{
		APIKey: key, WebhookURL: "http://" + hooks + WebhookPath, WebhookSecret: secret,
		Renderer: renderer, Workers: tabs(c), PageTimeout: c.Duration(pageTimeFlag.Name) + renderGrace, Logger: log,
	}, "127.0.0.1:0", log)
	if err != nil {
		return err
	}
	defer func() {
		if err := vendor.stop(); err != nil {
			log.Warn("stop sandbox", "error", err)
		}
	}()
	w := work{listener: listener, database: database, Config: engine.Config{
		Store: store, APIKey: key, BaseURL: vendor.url + "/api/v1",
		Apps: []jobs.App{{ID: "1"}}, WebhookSecrets: []string{secret}, WebhookPath: WebhookPath, Role: "demo", Logger: log,
	}}
	images, err := client.New(client.WithAPIKey(key), client.WithBaseURL(w.BaseURL))
	if err != nil {
		return err
	}
	printDemoStart(c.App.ErrWriter, in.spec.Source, vendor.url, hooks, renderer.Name(), folder)

	ended, err := runBatches(c, w, in, nil)
	if err != nil {
		return err
	}
	b := ended[0]
	if err := printSummary(c, store, b.ID); err != nil {
		return err
	}
	sheet := filepath.Join(folder, "contact-sheet.html")
	file := sheetFile{
		store: store, batch: b.ID, path: sheet, mode: api.DefaultImageMode, sheet: summary.Sheet{LocalImages: true},
		images: &sheetImages{page: sheet, folder: besideFile(sheet, "_pictures"), mode: api.DefaultImageMode, vendor: images, warnings: c.App.ErrWriter},
	}
	if err := errors.Join(file.write(c.Context), file.images.close()); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "\ncontact sheet  %s\ndatabase       %s\n", sheet, database)
	return checkDemo(c.Context, c.App.Writer, store, b)
}

// demoInput opens the named file, standard input for "-", or the rows that are
// built in.
func demoInput(stdin io.Reader, args []string) (*input, error) {
	spec := jobs.BatchSpec{ID: engine.NewID()}
	if len(args) > 0 {
		return openFiles(spec, "demo", args[:1], stdin, inputs.Options{})
	}
	in, err := openFiles(spec, "demo", []string{"-"}, bytes.NewReader(testdata.DemoCSV), inputs.Options{})
	if err == nil {
		in.spec.Source = "demo.csv"
	}
	return in, err
}

func printDemoStart(w io.Writer, file, vendor, hooks, renderer, folder string) {
	fmt.Fprintf(w, "rows      %s\nvendor    sandbox at %s, rendering with %s\nwebhooks  http://%s%s, signed\nqueue     embedded\nfolder    %s\n\n",
		file, vendor, renderer, hooks, WebhookPath, folder)
}

// checkDemo compares the state of each row with the state that the file
// expects.
func checkDemo(ctx context.Context, w io.Writer, store jobs.Store, b jobs.Batch) error {
	var wrong []error
	checked := 0
	for after := int64(0); ; {
		rows, err := store.Rows(ctx, b.ID, after, listPage)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			after = row.ID.Row
			expected, given := row.Metadata[demoExpectColumn].(string)
			if !given || expected == "" {
				continue
			}
			checked++
			if row.State != jobs.State(expected) {
				wrong = append(wrong, fmt.Errorf("%s ended %s, expected %s: %s", row.URL, row.State, expected, row.Error))
			}
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	if checked > 0 {
		all := "the row"
		if checked > 1 {
			all = "all " + number.Of(checked, "row")
		}
		fmt.Fprintf(w, "%s ended as the file expects, %s after the start\n", all, b.FinishedAt.Sub(b.CreatedAt).Round(100*time.Millisecond))
	}
	return nil
}
