package main

import (
	"embed"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionScripts are the scripts that connect the shells to the candidates.
//
//go:embed completions
var completionScripts embed.FS

// shells are the arguments of the completion command.
var shells = []string{"bash", "zsh", "fish"}

// candidatesWord is the argument with which the scripts ask for candidates.
const candidatesWord = "candidates"

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the script that completes commands, flags and batches in a shell",
		ArgsUsage: strings.Join(shells, "|"),
		Action: func(c *cli.Context) error {
			if c.Args().First() == candidatesWord {
				for _, candidate := range candidatesFor(c, c.Args().Tail()) {
					fmt.Fprintf(c.App.Writer, "%s\t%s\n", candidate.name, candidate.text)
				}
				return nil
			}
			shell, err := oneArgument(c, strings.Join(shells, ", "))
			if err != nil {
				return err
			}
			script, err := completionScripts.ReadFile("completions/" + shell)
			if err != nil {
				return badUsage("completion %s: want %s", printable(shell), strings.Join(shells, ", "))
			}
			_, err = c.App.Writer.Write(script)
			return err
		},
	}
}
