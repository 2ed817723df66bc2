package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder moves flags in front of a command's arguments, because the parser stops
// at the first argument. It also moves flags that precede the command's name
// behind it. So these mean the same:
//
//	shotline status --json B
//	shotline status B --json
//	shotline --json status B
//
// Arguments after a "--" keep their order. With --help, the arguments of a command
// are left out: the library would take them for commands.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	var flags, words, literal []string
	help := false
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			literal = append([]string{"--"}, rest...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			words = append(words, arg)
			continue
		}
		flags = append(flags, arg)
		help = help || arg == "--help" || arg == "-h"
		name, _, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if inline || !takesValue(app, command(app, words), name) {
			continue
		}
		if len(rest) == 0 {
			return nil, badUsage("flag %s needs a value", arg)
		}
		flags = append(flags, rest[0])
		rest = rest[1:]
	}
	if len(words) == 0 {
		return append(append(args[:1:1], flags...), literal...), nil
	}
	if help && command(app, words) != nil {
		return append(args[:1:1], words[0], "--help"), nil
	}
	ordered := append(args[:1:1], words[0])
	ordered = append(ordered, flags...)
	ordered = append(ordered, words[1:]...)
	return append(ordered, literal...), nil
}

func command(app *cli.App, words []string) *cli.Command {
	if len(words) == 0 {
		return nil
	}
	return app.Command(words[0])
}

// takesValue reports whether the named flag takes a value. It looks the flag up
// in the command, or in all commands if the name of the command is not known yet.
func takesValue(app *cli.App, in *cli.Command, name string) bool {
	commands := app.Commands
	if in != nil {
		commands = []*cli.Command{in}
	}
	for _, c := range commands {
		for _, flag := range c.Flags {
			for _, known := range flag.Names() {
				if known == name {
					_, isBool := flag.(*cli.BoolFlag)
					return !isBool
				}
			}
		}
	}
	return false
}
