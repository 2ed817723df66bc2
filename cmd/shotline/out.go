package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

var outFlag = &cli.StringFlag{Name: "out", Usage: "write to `FILE` instead of standard output (- is standard output)"}

// toStdout reports whether the name of an output means standard output. A file
// with the name "-" is given as "./-".
func toStdout(name string) bool { return name == "" || name == "-" }

// writeOut writes to the file of --out, or to standard output if --out is not
// set.
func writeOut(c *cli.Context, write func(io.Writer) error) error {
	if out := c.String(outFlag.Name); !toStdout(out) {
		return writeFile(out, 0, write)
	}
	return write(c.App.Writer)
}

// writeFile writes a file completely or not at all: readers of path see the old
// content until the new one is complete. If mode is 0, the umask decides.
func writeFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	name := filepath.Join(filepath.Dir(path), filepath.Base(path)+"."+rand.Text())
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, cmp.Or(mode, 0o666))
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if mode != 0 {
		err = file.Chmod(mode) // independent of the umask
	}
	if err = errors.Join(err, write(file), file.Close()); err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
