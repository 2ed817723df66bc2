package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs/wholefile"
)

var (
	initOutFlag   = &cli.StringFlag{Name: "out", Usage: "write to `FILE` (- is standard output), with systemd into this folder (default: shotline.yaml for the configuration, else standard output)"}
	initForceFlag = &cli.BoolFlag{Name: "force", Usage: "replace files that exist"}
	publicURLFlag = &cli.StringFlag{Name: "public-url", Value: "https://shots.example.com", Usage: "`URL` by which the vendor reaches this machine, for nginx and caddy"}
	withAPIFlag   = &cli.BoolFlag{Name: "with-api", Usage: "with nginx and caddy: forward the API, too; serve then needs --api-host and tokens"}
	userFlag      = &cli.StringFlag{Name: "user", Usage: "with systemd: run as this existing `USER` (default: one that systemd creates)"}
	programFlag   = &cli.StringFlag{Name: "program", Usage: "`FILE` of the program shotline (default: this one)"}
	backupFlag    = &cli.StringFlag{Name: "backup", Value: "/var/backups/shotline.db", Usage: "with cron: `FILE` of the daily backup"}
)

// configName is the default of init --out for the configuration.
const configName = "shotline.yaml"

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "write a configuration file for serve, or the files that make it a service",
		Description: "Without an argument it writes the settings of serve with comments.\n" +
			"With one it prints the files of that program:\n" +
			"  systemd     hardened units for serve, and timers for reconcile and backup\n" +
			"  cron        lines of a crontab for reconcile and backup\n" +
			"  nginx       a server that ends TLS and forwards the webhooks\n" +
			"  caddy       the same for Caddy\n" +
			"  prometheus  alerting rules\n" +
			"  grafana     a dashboard\n" +
			"The files contain the given settings, but no secrets.",
		ArgsUsage: "[" + strings.Join(initKinds, "|") + "]",
		Flags:     append([]cli.Flag{initOutFlag, initForceFlag, publicURLFlag, withAPIFlag, userFlag, programFlag, backupFlag}, settingFlags()...),
		Action: func(c *cli.Context) error {
			kind := c.Args().First()
			if kind == "" {
				return writeNew(c, configName, func(w io.Writer) error { return writeConfig(c, w) })
			}
			kind, err := oneArgument(c, strings.Join(initKinds, ", "))
			if err != nil {
				return err
			}
			if !slices.Contains(initKinds, kind) {
				return badUsage("init %s: want %s", printable(kind), strings.Join(initKinds, ", "))
			}
			data, err := initDataFrom(c)
			if err != nil {
				return err
			}
			if folder := c.String(initOutFlag.Name); kind == "systemd" && !toStdout(folder) {
				return writeUnits(c, folder, data)
			}
			return writeNew(c, "-", func(w io.Writer) error { return data.write(w, kind) })
		},
	}
}

// settingFlags returns the flags of serve that can be in a file: all but those
// with secrets.
func settingFlags() (flags []cli.Flag) {
	for _, flag := range serveCommand().Flags {
		if name := flag.Names()[0]; name != configFlag.Name && !slices.Contains(secretSettings, name) {
			flags = append(flags, flag)
		}
	}
	return flags
}

// writeNew writes to the file of --out, or else to the given one.
func writeNew(c *cli.Context, name string, write func(io.Writer) error) error {
	if out := c.String(initOutFlag.Name); out != "" {
		name = out
	}
	if toStdout(name) {
		return write(c.App.Writer)
	}
	if err := writeNewFile(c, name, write); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.App.ErrWriter, "wrote %s\n", printable(name))
	return err
}

// writeNewFile writes a file. It replaces an existing one only with --force.
func writeNewFile(c *cli.Context, name string, write func(io.Writer) error) error {
	if _, err := os.Lstat(name); err == nil && !c.Bool(initForceFlag.Name) {
		return badUsage("%s exists: choose another name, or replace it with --force", printable(name))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--out: %w", err)
	}
	return outError(wholefile.Write(name, 0o644, write))
}

// writeUnits writes the units of systemd into a folder. It writes none if one
// exists, unless --force is set.
func writeUnits(c *cli.Context, folder string, data initData) error {
	for _, unit := range units {
		if _, err := os.Lstat(filepath.Join(folder, unit)); err == nil && !c.Bool(initForceFlag.Name) {
			return badUsage("%s exists: choose another folder, or replace it with --force", printable(filepath.Join(folder, unit)))
		}
	}
	for _, unit := range units {
		var text bytes.Buffer
		if err := data.execute(&text, unit); err != nil {
			return err
		}
		name := filepath.Join(folder, unit)
		err := writeNewFile(c, name, func(w io.Writer) error { _, err := w.Write(text.Bytes()); return err })
		if err != nil {
			return err
		}
		fmt.Fprintf(c.App.ErrWriter, "wrote %s\n", printable(name))
	}
	return nil
}
