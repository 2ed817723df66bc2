// Command shotline takes lists of URLs, has ScreenshotCenter photograph them
// and makes sure that every row ends exactly once.
//
// One file holds one command; config.go the flags they share, wire.go what those
// that work until they are stopped are made of, an engine and its servers, once.go
// the joining of the parts for those that ask the vendor and end. Data goes to
// stdout, progress and logs to stderr.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is set by the build.
var version = "dev"

// gcPercent lets the heap grow to three times what is in use before it is
// collected.
const gcPercent = 200

func main() {
	// The heap is small beside what SQLite keeps in memory.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	limitMemory()
	ctx, hangups, stop := endBySignal()
	code := run(ctx, os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, hangups: hangups})
	stop()
	os.Exit(code)
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	hangups  *hangups // nil without signals
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, std streams) int {
	std.err = newScreen(std.err)
	app := newApp(std)
	args, err := reorder(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err != nil {
		if text := err.Error(); text != "" {
			fmt.Fprintln(std.err, "shotline: "+message(text))
		}
	}
	return exitCode(err)
}

// libraryHelp is the command that the library adds to all others.
var libraryHelp *cli.Command

func init() {
	cli.HelpFlag = libraryFlag{cli.HelpFlag.(*cli.BoolFlag)}
	cli.VersionFlag = libraryFlag{cli.VersionFlag.(*cli.BoolFlag)}
	app := cli.NewApp()
	app.Setup()
	libraryHelp = app.Command("help")
}

// helpCommand returns the library's help. The library writes into it, and several
// command lines may be run at the same time, so each command has its own.
func helpCommand() *cli.Command {
	help := copied(libraryHelp)
	help.HideHelpCommand = true // it would be given the shared one
	return help
}

func newApp(std streams) *cli.App {
	app := &cli.App{
		Name:     "shotline",
		Usage:    "asynchronous screenshots with ScreenshotCenter, from a list of URLs to the results",
		Version:  version,
		Metadata: map[string]any{hangupsKey: std.hangups},
		// A comma in a secret, a parameter or a template is a part of it.
		DisableSliceFlagSeparator: true,
		Reader:                    std.in,
		Writer:                    std.out,
		ErrWriter:                 std.err,
		// Errors are printed and turned into exit codes in one place, above.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   usageError,
		CommandNotFound: func(c *cli.Context, name string) {
			fmt.Fprintf(c.App.ErrWriter, "shotline: no command %q\n", name)
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return badUsage("no command %q, see shotline --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Flags: []cli.Flag{cli.HelpFlag}, // added by the library only with its own help command
		Commands: []*cli.Command{
			serveCommand(), runCommand(), submitCommand(),
			statusCommand(), waitCommand(), listCommand(),
			retryCommand(), cancelCommand(), pauseCommand(), resumeCommand(), reconcileCommand(),
			summaryCommand(), resultsCommand(), callbacksCommand(), backupCommand(), tokenCommand(),
			sandboxCommand(), demoCommand(), helpCommand(),
		},
	}
	for _, command := range app.Commands {
		if command.Name == libraryHelp.Name {
			continue
		}
		command.Subcommands = []*cli.Command{helpCommand()}
		command.CustomHelpTemplate = cli.CommandHelpTemplate // not that of a command with subcommands
		command.OnUsageError = usageError
		command.Before = fillFlags
		command.Flags = ownFlags(command.Flags)
	}
	return app
}

// ownFlags copies flags: parsing writes into them, and several command lines
// may be run at the same time.
func ownFlags(flags []cli.Flag) []cli.Flag {
	own := make([]cli.Flag, len(flags))
	for i, given := range flags {
		switch f := given.(type) {
		case *cli.StringFlag:
			own[i] = copied(f)
		case *cli.StringSliceFlag:
			own[i] = copied(f)
		case *cli.BoolFlag:
			own[i] = copied(f)
		case *cli.IntFlag:
			own[i] = intFlag{copied(f)}
		case *cli.Float64Flag:
			own[i] = floatFlag{copied(f)}
		case *cli.DurationFlag:
			own[i] = durationFlag{copied(f)}
		default:
			panic(fmt.Sprintf("flag %v has a type that cannot be copied", given.Names()))
		}
	}
	return own
}

// libraryFlag is a flag that the library adds to each command. All of them share
// it, so each parse writes into a copy.
type libraryFlag struct{ *cli.BoolFlag }

// Apply implements cli.Flag.
func (f libraryFlag) Apply(set *flag.FlagSet) error { return copied(f.BoolFlag).Apply(set) }

func copied[T any](v *T) *T {
	c := *v
	return &c
}
