package main

import (
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"
)

// fileSettings are flags whose values are file names. A file name can begin or
// end with spaces, but not with line ends.
var fileSettings = []string{"db", "config", "image-dir", "out", "dir"}

// dataSettings are flags whose values are compared with stored data and must not
// be trimmed.
var dataSettings = []string{"tag", "error"}

// invisible are characters that occur around pasted values and that are neither
// white space nor part of any setting: byte order marks and zero-width spaces.
const invisible = "\ufeff\u200b\u2060"

// trimSpace removes white space and invisible characters around a value.
func trimSpace(value string) string {
	return strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(invisible, r) })
}

// trimmed removes white space around a value, such as the line end of a mounted
// secret, or the carriage return or the byte order mark of a file from Windows.
func trimmed(name, value string) string {
	if slices.Contains(dataSettings, name) {
		return value
	}
	if slices.Contains(fileSettings, name) {
		return strings.Trim(value, "\r\n"+invisible)
	}
	return trimSpace(value)
}

// trimSettings trims the values from the command line and the environment. Rows,
// parameters and tags are data and are not changed.
func trimSettings(c *cli.Context) error {
	for _, flag := range c.Command.Flags {
		var err error
		switch f := flag.(type) {
		case *cli.StringFlag:
			if given := c.String(f.Name); given != trimmed(f.Name, given) {
				err = c.Set(f.Name, trimmed(f.Name, given))
			}
		case *cli.StringSliceFlag:
			err = trimList(c, f.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trimList trims the values of a repeatable flag.
func trimList(c *cli.Context, name string) error {
	given := c.StringSlice(name)
	if _, setting := listVariables[name]; !setting || len(given) == 0 {
		return nil
	}
	values := make([]string, len(given))
	for i, value := range given {
		values[i] = trimmed(name, value)
	}
	if slices.Equal(values, given) {
		return nil
	}
	return c.Set(name, cli.NewStringSlice(values...).Serialize()) // replaces the values
}

// fillFlags sets the flags that the command line has not set: first from
// the files of secrets, then from variables that the parser does not read, then
// from the file of --config.
func fillFlags(c *cli.Context) error {
	if err := trimSettings(c); err != nil {
		return err
	}
	if err := fillSecrets(c); err != nil {
		return err
	}
	for name, variable := range listVariables {
		value, given := os.LookupEnv(variable)
		if !given || c.IsSet(name) || findSetting(c.Command.Flags, name) == nil {
			continue
		}
		for _, item := range strings.Split(value, ",") {
			if item = trimSpace(item); item == "" {
				continue
			}
			if err := c.Set(name, item); err != nil {
				return badUsage("%s: %w", variable, err)
			}
		}
	}
	return loadConfigFile(c)
}

// findSetting returns a flag that the environment and the file of --config can
// set. For a name in listVariables, the flag must be repeatable: the --sink flag
// of callbacks only selects a sink.
func findSetting(flags []cli.Flag, name string) cli.Flag {
	flag := findFlag(flags, name)
	if _, isList := listVariables[name]; isList && !isRepeatable(flag) {
		return nil
	}
	return flag
}

func isRepeatable(flag cli.Flag) bool {
	_, is := flag.(*cli.StringSliceFlag)
	return is
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, flag := range flags {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}
