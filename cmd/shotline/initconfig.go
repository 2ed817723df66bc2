package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// writeConfig writes a configuration file: each setting of serve with its
// description, and its value if it is given, or else its default as a comment.
func writeConfig(c *cli.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `# Settings of shotline serve. Start it with: shotline serve --config FILE
# The command line and the environment take precedence over this file. To change
# a setting, remove the # before its name. With --config, other commands read
# their settings from this file, too.
`)
	command := serveCommand()
	command.Flags = copyFlags(command.Flags)
	for _, group := range groupFlags(command) {
		title := group.title
		if title == "Flags" {
			title = "General"
		}
		fmt.Fprintf(out, "\n# ---- %s ----\n", title)
		for _, flag := range group.flags {
			if flag.Names()[0] != configFlag.Name {
				writeSetting(out, c, flag)
			}
		}
	}
	return out.Flush()
}

func writeSetting(out io.Writer, c *cli.Context, flag cli.Flag) {
	name := flag.Names()[0]
	text := strings.ReplaceAll(flag.(cli.DocGenerationFlag).GetUsage(), "`", "")
	fmt.Fprintln(out)
	for _, line := range wrap(text, helpWidth-2) {
		fmt.Fprintln(out, "# "+line)
	}
	if variable := secretVariable(flag); variable != "" {
		fmt.Fprintf(out, "# This is a secret: set %s,\n# or name a file that contains it in %s.\n", variableOf(flag), variable)
		return
	}
	if variable := variableOf(flag); variable != "" {
		fmt.Fprintf(out, "# Variable: %s\n", variable)
	}
	values, given := settingValues(c, flag)
	if !given {
		name, values = "# "+name, []string{defaultText(flag)}
		if _, isBool := flag.(*cli.BoolFlag); isBool {
			values[0] = "false"
		}
		if documented := documentedDefault(flag); documented != "" {
			fmt.Fprintf(out, "# Default: %s\n", documented)
			values = nil
		}
	}
	for i, value := range values {
		if value != "" || given {
			values[i] = yamlText(value)
		}
	}
	value := strings.Join(values, ", ")
	if isRepeatable(flag) {
		value = "[" + value + "]"
	}
	fmt.Fprintln(out, strings.TrimRight(name+": "+value, " "))
}

// settingValues returns the values of a flag that is given.
func settingValues(c *cli.Context, flag cli.Flag) (values []string, given bool) {
	name := flag.Names()[0]
	if isRepeatable(flag) {
		values = slices.Clone(c.StringSlice(name))
		return values, len(values) > 0
	}
	return []string{c.String(name)}, c.IsSet(name)
}

// documentedDefault returns the description of a default that is not a value.
func documentedDefault(flag cli.Flag) string {
	switch f := flag.(type) {
	case *cli.StringFlag:
		return f.DefaultText
	case *cli.StringSliceFlag:
		return f.DefaultText
	case intFlag:
		return f.DefaultText
	case floatFlag:
		return f.DefaultText
	case durationFlag:
		return f.DefaultText
	}
	return ""
}

// plainYAML matches texts that YAML reads as they are.
var plainYAML = regexp.MustCompile(`^[A-Za-z0-9/.][A-Za-z0-9/._-]*$`)

// yamlText writes a text as a scalar of YAML.
func yamlText(text string) string {
	if plainYAML.MatchString(text) {
		return text
	}
	quoted, err := json.Marshal(text) // JSON is a part of YAML
	if err != nil {
		return text
	}
	return string(quoted)
}
