// Command bench measures Shotline from outside: it runs the binary, simulates the
// vendor and the users, and prints a table.
//
// Everything runs on one machine, so the figures include the work of the
// simulated vendor and users. If there is something to compare with, both sides
// take turns in one run, and the figure is their ratio.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// measures lists all measures in the order in which they run. A run without
// arguments leaves out those that are explicit.
var measures = []struct {
	name     string
	explicit bool
	run      func(context.Context, *bench) ([]figure, error)
}{
	{"intake", false, measureIntake},
	{"repeats", false, measureRepeats},
	{"level", false, measureLevel},
	{"flood", false, measureFlood},
	{"beside", false, measureBeside},
	{"await", false, measureAwait},
	{"import", false, measureImport},
	{"start", false, measureStart},
	{"queries", false, measureQueries},
	{"waiters", true, measureWaiters},
	{"submission", false, measureSubmission},
	{"singles", false, measureSingles},
	{"reconcile", false, measureReconcile},
	{"download", false, measureDownload},
}

// bench is one run.
type bench struct {
	program string    // the binary that is measured
	folder  string    // for databases and inputs, removed at the end
	log     io.Writer // progress messages
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == bareCommand {
		if err := serveBare(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: bare receiver:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "bench [flags] [%s]...\n", strings.Join(names(), "|"))
		flags.PrintDefaults()
	}
	b := &bench{log: os.Stderr}
	flags.StringVar(&b.program, "program", ".build/shotline", "the binary to measure")
	file := flags.String("json", "", "write the figures to this `file` as well")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range flags.Args() {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("unknown measure %q: want %s", name, strings.Join(names(), ", "))
		}
	}
	if b.folder, err = os.MkdirTemp("", "shotline-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	debug.SetGCPercent(400) // so that the simulated vendor and users use little CPU

	r := report{Machine: thisMachine()}
	for _, m := range measures {
		if flags.NArg() == 0 && m.explicit || flags.NArg() > 0 && !slices.Contains(flags.Args(), m.name) {
			continue
		}
		began := time.Now()
		figures, err := m.run(ctx, b)
		if err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
		for i := range figures {
			figures[i].Of = m.name
		}
		r.Figures = append(r.Figures, figures...)
		b.logf("%s took %.0f s", m.name, time.Since(began).Seconds())
	}
	if *file != "" {
		if err := r.save(*file); err != nil {
			return err
		}
	}
	return r.print(os.Stdout)
}

func names() []string {
	list := make([]string, len(measures))
	for i, m := range measures {
		list[i] = m.name
	}
	return list
}

// logf prints a progress message.
func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}
