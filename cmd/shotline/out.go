package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

var outFlag = &cli.StringFlag{Name: "out", Usage: "write to a `FILE` instead of standard output, which - is, too"}

// toStdout reports whether a name of an output means standard output. A file that
// has this name is ./-.
func toStdout(name string) bool { return name == "" || name == "-" }

// writeOut writes to the file of --out, or to standard output.
func writeOut(c *cli.Context, write func(io.Writer) error) error {
	if out := c.String(outFlag.Name); !toStdout(out) {
		return writeFile(out, write)
	}
	return write(c.App.Writer)
}

// writeFile writes a file whole or not at all: readers of path see the old
// content until the new one is complete.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	// Reports are for showing around, unlike the database.
	if err = errors.Join(write(file), file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
