// Command bench measures Shotline from outside: it runs the binary, plays the
// vendor and the users, and prints a table.
//
// Everything happens on one machine, so what is measured includes the work of
// those who are played. Wherever there is something to compare with, both sides
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

// measures are what can be measured, in their order. Those that are asked for by
// name alone are no part of a whole run.
var measures = []struct {
	name  string
	alone bool
	run   func(context.Context, *bench) ([]figure, error)
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
}

// bench is one run.
type bench struct {
	program string    // the binary that is measured
	folder  string    // for databases and inputs, removed at the end
	log     io.Writer // what is going on
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
			return fmt.Errorf("there is no measure %q: want %s", name, strings.Join(names(), ", "))
		}
	}
	if b.folder, err = os.MkdirTemp("", "shotline-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	debug.SetGCPercent(400) // those who are played shall not be what is measured

	r := report{Machine: thisMachine()}
	for _, m := range measures {
		if flags.NArg() == 0 && m.alone || flags.NArg() > 0 && !slices.Contains(flags.Args(), m.name) {
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
		b.say("%s took %.0f s", m.name, time.Since(began).Seconds())
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

// say tells what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}
