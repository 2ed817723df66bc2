package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

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

// readerTime is how long a FIFO without a reader is waited for, and readerStep how
// often it is tried. Without a limit, a command of a timer would hang forever.
const (
	readerTime = 5 * time.Second
	readerStep = 50 * time.Millisecond
)

// writeThrough writes into a device or a FIFO. It waits for a while until a FIFO
// has a reader.
func writeThrough(ctx context.Context, path string, write func(io.Writer) error) error {
	file, err := openThrough(path)
	for waited := time.Duration(0); errors.Is(err, errNoReader); waited += readerStep {
		if waited >= readerTime {
			return &fs.PathError{Op: "write", Path: path, Err: errNoReader}
		}
		if err := clock.Sleep(ctx, readerStep); err != nil {
			return err
		}
		file, err = openThrough(path)
	}
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// errNoReader is the error of openThrough for a FIFO.
var errNoReader = errors.New("nothing reads it: start its reader first")

// openThrough opens a device or a FIFO. It does not wait for the reader of a
// FIFO.
func openThrough(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if info, statErr := os.Stat(path); err != nil && errors.Is(err, syscall.ENXIO) && statErr == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, errNoReader
	}
	return file, err
}
