package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// fileSettings are flags whose values are names of files. Spaces may belong to
// such a name; line ends do not.
var fileSettings = []string{"db", "config", "image-dir", "out"}

// dataSettings are flags whose values are looked for as they are.
var dataSettings = []string{"tag", "error"}

// trimmed drops what surrounds a value by accident: the line end of a mounted
// secret, or the carriage return of a file that was written on Windows.
func trimmed(name, value string) string {
	if slices.Contains(dataSettings, name) {
		return value
	}
	if slices.Contains(fileSettings, name) {
		return strings.Trim(value, "\r\n")
	}
	return strings.TrimSpace(value)
}

// trimSettings trims the values that came from the command line or the
// environment. Rows, parameters and tags are data and stay as they are.
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

// trimList trims the values of a repeatable setting.
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
	return c.Set(name, cli.NewStringSlice(values...).Serialize()) // which replaces the values
}

// fillFlags sets the flags that the command line has not: from the environment,
// as far as the parser has not done that, then from the file of --config.
func fillFlags(c *cli.Context) error {
	if err := trimSettings(c); err != nil {
		return err
	}
	for name, variable := range listVariables {
		value, given := os.LookupEnv(variable)
		if !given || c.IsSet(name) || findSetting(c.Command.Flags, name) == nil {
			continue
		}
		for _, item := range strings.Split(value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if err := c.Set(name, item); err != nil {
				return badUsage("%s: %w", variable, err)
			}
		}
	}
	return loadConfigFile(c)
}

// findSetting finds a flag that the environment and the file of --config may set.
// Of a name in listVariables that is a repeatable one: --sink of callbacks only
// picks a sink.
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
