package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// TestHelp checks the help of all commands: no line is too long, every flag is
// described, and there are examples.
func TestHelp(t *testing.T) {
	commands := newApp(streams{}).Commands
	check := func(args ...string) string {
		t.Helper()
		code, text, stderr := invoke(t, args...)
		if code != exitOK || stderr != "" {
			t.Fatalf("%v: exit code %d, stderr %q", args, code, stderr)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > helpWidth || strings.TrimRight(line, " ") != line || strings.ContainsAny(line, "`\t") {
				t.Errorf("%v: a line has %d columns, or spaces at its end:\n%s", args, n, line)
			}
		}
		return text
	}
	general := check("--help")
	if general != check("help") || general != check() {
		t.Error("shotline, shotline help and shotline --help differ")
	}
	for _, command := range commands {
		if !strings.Contains(general, "\n  "+command.Name+" ") {
			t.Errorf("the help does not list %s", command.Name)
		}
		if command.Category == "" || !strings.Contains(general, "\n\n"+command.Category+"\n") {
			t.Errorf("%s is in the group %q, which the help does not show", command.Name, command.Category)
		}
		own := check("help", command.Name)
		if command.Name != "help" && (own != check(command.Name, "--help") || own != check(command.Name, "x", "-h", "y")) {
			t.Errorf("help %[1]s and %[1]s --help differ", command.Name)
		}
		if !strings.Contains(own, "\nExamples\n  ") {
			t.Errorf("%s has no examples", command.Name)
		}
		for _, flag := range append(command.Flags, cli.HelpFlag) {
			if !strings.Contains(own, "\n  "+flagName(flag)) {
				t.Errorf("the help of %s lacks %s", command.Name, flagName(flag))
			}
			variable := variableOf(flag)
			if variable != "" && !strings.Contains(own, "[$"+variable) {
				t.Errorf("the help of %s lacks %s", command.Name, variable)
			}
		}
	}
}

// argument matches an argument of an example. It can be in quotes.
var argument = regexp.MustCompile(`'[^']*'|[^ ]+`)

// TestExamples checks that the examples are command lines that can be parsed.
func TestExamples(t *testing.T) {
	lines := 0
	for name, text := range examples {
		if newApp(streams{}).Command(name) == nil {
			t.Errorf("there is no command %s", name)
		}
		shown := false
		for line := range strings.Lines(strings.TrimSpace(text)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				continue
			}
			line = strings.TrimSuffix(strings.TrimPrefix(line, "source <("), ")")
			for command := range strings.SplitSeq(line, " && ") {
				lines++
				var args []string
				for _, word := range argument.FindAllString(command, -1) {
					args = append(args, strings.Trim(word, "'"))
				}
				args = args[slices.Index(args, "shotline"):] // after variables
				parsed, err := parse(args)
				if err != nil {
					t.Errorf("%s: %v", command, err)
				}
				shown = shown || parsed == name
			}
		}
		if !shown {
			t.Errorf("the examples of %s do not show it", name)
		}
	}
	if lines < 20 {
		t.Errorf("%d examples, want at least 20", lines)
	}
}

// parse parses a command line without running it, and returns the name of the
// command.
func parse(args []string) (name string, err error) {
	app := newApp(streams{})
	for _, command := range app.Commands {
		command.Before, command.Subcommands = nil, nil
		command.Action = func(c *cli.Context) error { name = c.Command.Name; return nil }
	}
	if args, err = reorder(app, args); err != nil {
		return "", err
	}
	return name, app.Run(args)
}

func TestShortDuration(t *testing.T) {
	for text, want := range map[string]string{"10m0s": "10m", "24h0m0s": "24h", "1h30m0s": "1h30m", "15s": "15s", "0s": "0s", "1m10s": "1m10s", "1h0m10s": "1h0m10s"} {
		if got := shortDuration(text); got != want {
			t.Errorf("shortDuration(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestFlagGroups checks that no flag is in two groups, and that serve and run show
// groups.
func TestFlagGroups(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range flagGroups {
		for _, flag := range group.flags {
			name := flag.Names()[0]
			if seen[name] {
				t.Errorf("--%s is in two groups", name)
			}
			seen[name] = true
		}
	}
	for _, name := range []string{"serve", "run"} {
		command := newApp(streams{}).Command(name)
		groups := groupFlags(command)
		var shown []cli.Flag
		for _, group := range groups {
			shown = append(shown, group.flags...)
		}
		if len(groups) < 4 || len(shown) != len(command.Flags) {
			t.Errorf("%s shows %d of %d flags in %d groups", name, len(shown), len(command.Flags), len(groups))
		}
	}
}
