package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"shotline/jobs/wholefile"
)

var outFlag = &cli.StringFlag{Name: "out", Usage: "write to `FILE` instead of standard output (- is standard output)"}

// stdoutNames are the names that mean standard output. Opening the file of an
// open descriptor would start at its beginning, or fail if it is a socket.
var stdoutNames = []string{"", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}

// toStdout reports whether the name of an output means standard output. A file
// with the name "-" is given as "./-".
func toStdout(name string) bool { return slices.Contains(stdoutNames, name) }

// writeOut writes to the file of --out, or to standard output if --out is not
// set. It writes into devices and FIFOs. It replaces other files when the content
// is complete, see package wholefile.
func writeOut(c *cli.Context, write func(io.Writer) error) error {
	out := c.String(outFlag.Name)
	if toStdout(out) {
		return write(c.App.Writer)
	}
	if err := checkOut(c, out); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return outError(writeThrough(c.Context, out, write))
	}
	return outError(wholefile.Write(out, 0, write))
}

// checkOut returns an error if --out would replace a file of the database.
func checkOut(c *cli.Context, out string) error {
	info, err := os.Stat(out)
	if err != nil {
		return nil // reported when it is written
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if own, err := os.Stat(c.String(dbFlag.Name) + suffix); err == nil && os.SameFile(own, info) {
			return badUsage("--out %s: it belongs to the database: choose another name", out)
		}
	}
	return nil
}

// outError adds the name of the flag to an error about the file.
func outError(err error) error {
	var file *fs.PathError
	switch {
	case errors.Is(err, wholefile.ErrNotRegular):
		return badUsage("--out: %w", err)
	case errors.As(err, &file):
		return fmt.Errorf("--out: %w", err)
	}
	return err
}

// writeThrough writes into a device or a FIFO. It waits until a FIFO has a
// reader, or until ctx ends.
func writeThrough(ctx context.Context, path string, write func(io.Writer) error) error {
	type opened struct {
		file *os.File
		err  error
	}
	opening := make(chan opened, 1)
	go func() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		opening <- opened{file, err}
	}()
	select {
	case o := <-opening:
		if o.err != nil {
			return o.err
		}
		return errors.Join(write(o.file), o.file.Close())
	case <-ctx.Done():
		return fmt.Errorf("%s has no reader: %w", path, ctx.Err())
	}
}
