// Command bench measures Shotline from outside: it runs the binary, plays the
// vendor and the users, and prints a table.
//
// Everything happens on one machine, so what is measured includes the work of
// those who are played.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	program := flags.String("program", ".build/shotline", "the binary to measure")
	load := load{}
	flags.IntVar(&load.waits, "waits", 2000, "requests that wait, each for a job of its own")
	flags.IntVar(&load.streams, "streams", 200, "streams of events that all jobs are told to")
	flags.IntVar(&load.rate, "rate", 200, "webhooks a second")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || load.waits < 1 || load.streams < 0 || load.rate < 1 {
		return fmt.Errorf("want no arguments, and -waits and -rate above zero")
	}
	debug.SetGCPercent(400) // those who are played shall not be what is measured
	result, err := measureAwait(ctx, *program, load)
	if err != nil {
		return err
	}
	return result.print(os.Stdout)
}
