// Command shotline takes lists of URLs, has ScreenshotCenter capture them, and
// makes sure that every row ends exactly once.
//
// Each command has its own file. config.go defines the flags that commands share.
// wire.go builds the engine and the servers of commands that run until they are
// stopped. once.go builds the orchestrator of commands that do one step and exit.
// Data goes to standard output, progress and logs go to standard error.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"
)

// version is set at build time.
var version = "dev"

// gcPercent lets the heap grow to three times the live data before a collection.
const gcPercent = 200

func main() {
	// The Go heap is small compared to the memory of SQLite.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	limitMemory()
	ctx, hangups, stop := signalContext()
	code := run(ctx, os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, hangups: hangups})
	stop()
	os.Exit(code)
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
	hangups  *hangups // nil if signals are not handled
}

// run executes a command line and returns the exit code.
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

// libraryHelp is the help command of the library. The library adds it to every
// command.
var libraryHelp *cli.Command

func init() {
	cli.HelpFlag = libraryFlag{cli.HelpFlag.(*cli.BoolFlag)}
	cli.VersionFlag = libraryFlag{cli.VersionFlag.(*cli.BoolFlag)}
	app := cli.NewApp()
	app.Setup()
	libraryHelp = app.Command("help")
}

// helpCommand returns a copy of the library's help command. The library writes to
// the command, and several command lines can run at the same time.
func helpCommand() *cli.Command {
	help := shallowCopy(libraryHelp)
	help.HideHelpCommand = true // otherwise the library would add the shared one
	help.Usage = "show the commands, or the help of one command"
	return help
}

func newApp(std streams) *cli.App {
	app := &cli.App{
		Name:     "shotline",
		Usage:    "asynchronous screenshots with ScreenshotCenter, from a list of URLs to the results",
		Version:  version,
		Metadata: map[string]any{hangupsKey: std.hangups},
		// Secrets, parameters and templates can contain commas.
		DisableSliceFlagSeparator: true,
		Reader:                    std.in,
		Writer:                    std.out,
		ErrWriter:                 std.err,
		// run prints errors and returns exit codes.
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
		Flags: []cli.Flag{cli.HelpFlag}, // the library adds it only with its own help command
		Commands: slices.Concat(
			inGroup("Submit and work", submitCommand(), serveCommand(), runCommand()),
			inGroup("Watch", statusCommand(), explainCommand(), waitCommand(), listCommand()),
			inGroup("Get results", summaryCommand(), resultsCommand(), downloadCommand(), compareCommand()),
			inGroup("Repair and stop", retryCommand(), rerunCommand(), cancelCommand(), pauseCommand(), resumeCommand(), reconcileCommand()),
			inGroup("Operate a service", initCommand(), doctorCommand(), tokenCommand(), callbacksCommand(), inboxCommand(), backupCommand()),
			inGroup("Try it", demoCommand(), sandboxCommand(), triggerCommand()),
			inGroup("Help", completionCommand(), helpCommand()),
		),
	}
	for _, command := range app.Commands {
		if command.Name == libraryHelp.Name {
			continue
		}
		command.Subcommands = []*cli.Command{helpCommand()}
		command.CustomHelpTemplate = cli.CommandHelpTemplate // instead of the template for commands with subcommands
		command.OnUsageError = usageError
		command.Before = fillFlags
		command.Flags = copyFlags(command.Flags)
	}
	return app
}

// inGroup puts commands into a group of the help text.
func inGroup(title string, commands ...*cli.Command) []*cli.Command {
	for _, command := range commands {
		command.Category = title
	}
	return commands
}

// copyFlags copies flags, because parsing writes to them and several command
// lines can run at the same time.
func copyFlags(flags []cli.Flag) []cli.Flag {
	own := make([]cli.Flag, len(flags))
	for i, given := range flags {
		switch f := given.(type) {
		case *cli.StringFlag:
			own[i] = shallowCopy(f)
		case *cli.StringSliceFlag:
			own[i] = shallowCopy(f)
		case *cli.BoolFlag:
			own[i] = shallowCopy(f)
		case *cli.IntFlag:
			own[i] = intFlag{shallowCopy(f)}
		case *cli.Float64Flag:
			own[i] = floatFlag{shallowCopy(f)}
		case *cli.DurationFlag:
			own[i] = durationFlag{shallowCopy(f)}
		default:
			panic(fmt.Sprintf("flag %v has a type that cannot be copied", given.Names()))
		}
	}
	return own
}

// libraryFlag is a flag that the library adds to every command. All commands
// share it, so each parse writes to a copy.
type libraryFlag struct{ *cli.BoolFlag }

// Apply implements cli.Flag.
func (f libraryFlag) Apply(set *flag.FlagSet) error { return shallowCopy(f.BoolFlag).Apply(set) }

func shallowCopy[T any](v *T) *T {
	c := *v
	return &c
}
