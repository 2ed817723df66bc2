package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/orchestrator/callback"
)

var (
	callbackStateFlag = &cli.StringSliceFlag{Name: "state", Usage: "only callbacks in this `STATE`: owed, delivered or dead (repeatable, or comma-separated)"}
	callbackSinkFlag  = &cli.StringFlag{Name: "sink", Usage: "only callbacks of the sink with this `NAME`"}
	beforeFlag        = &cli.IntFlag{Name: "before", Usage: "continue before this `SEQ`"}
	deadFlag          = &cli.BoolFlag{Name: "dead", Usage: "replay all dead callbacks"}
)

// maxReplaySeqs is how many callbacks one replay command can name.
const maxReplaySeqs = 1000

func callbacksCommand() *cli.Command {
	return &cli.Command{
		Name:  "callbacks",
		Usage: "list callbacks, replay dead ones, or generate a signing secret",
		Description: "callbacks [BATCH]                     lists them\n" +
			"callbacks replay SEQ…|--dead [BATCH]  sends them again; needs a running serve\n" +
			"callbacks secret                      creates a secret for --callback-secret",
		ArgsUsage: "[BATCH] | replay SEQ…|--dead [BATCH] | secret",
		Flags:     storeFlags(callbackStateFlag, callbackSinkFlag, limitFlag, allFlag, beforeFlag, deadFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			switch word := c.Args().First(); {
			case word == "secret":
				if c.NArg() > 1 {
					return badUsage("callbacks secret takes no arguments, got %q", c.Args().Get(1))
				}
				_, err := fmt.Fprintln(c.App.Writer, callback.NewSecret())
				return err
			case word == "replay":
				filter, err := replayFilter(c)
				if err != nil {
					return err
				}
				return withStore(c, func(store jobs.Store) error { return replay(c, store, filter) })
			}
			filter, err := callbackFilter(c)
			if err != nil {
				return err
			}
			maxItems, err := listLimit(c)
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return listCallbacks(c, store, filter, maxItems) })
		},
	}
}

func callbackFilter(c *cli.Context) (filter jobs.CallbackFilter, err error) {
	if c.Bool(deadFlag.Name) {
		return filter, badUsage("--dead is for replay; use --state dead to list dead callbacks")
	}
	if before := c.Int(beforeFlag.Name); c.IsSet(beforeFlag.Name) && before <= 0 {
		return filter, badUsage("--before must be above zero")
	}
	for _, name := range listValues(c, callbackStateFlag.Name) {
		state := jobs.CallbackState(name)
		if !slices.Contains(jobs.CallbackStates, state) {
			return filter, badUsage("--state %q: want one of %v", name, jobs.CallbackStates)
		}
		filter.States = append(filter.States, state)
	}
	if c.NArg() > 0 {
		if filter.Batch, err = oneArgument(c, "a batch id"); err != nil {
			return filter, err
		}
	}
	filter.Sink, filter.Before = c.String(callbackSinkFlag.Name), int64(c.Int(beforeFlag.Name))
	return filter, nil
}

func listCallbacks(c *cli.Context, store jobs.Store, filter jobs.CallbackFilter, maxItems int) error {
	if filter.Batch != "" {
		if _, err := store.Batch(c.Context, filter.Batch); err != nil {
			return err
		}
	}
	return list[jobs.Callback]{
		noun:   "callback",
		header: "SEQ\tSTATE\tEVENT\tSUBJECT\tTARGET\tATTEMPTS\tNEXT OR LAST\tERROR",
		line:   callbackLine,
		json:   func(c jobs.Callback) any { return jobjson.FromCallback(c) },
		page: func(limit int) ([]jobs.Callback, bool, error) {
			filter.Limit = limit
			page, err := store.Callbacks(c.Context, filter)
			if len(page) > 0 {
				filter.Before = page[len(page)-1].Seq
			}
			return page, len(page) == limit, err
		},
		next: func(last jobs.Callback) string { return fmt.Sprintf("--before %d", last.Seq) },
	}.print(c, maxItems)
}

func callbackLine(cb jobs.Callback) string {
	about, at := cb.Batch, cb.DueAt
	if !cb.Job.IsZero() {
		about = cb.Job.String()
	}
	if cb.State != jobs.CallbackOwed {
		at = cb.SettledAt
	}
	return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s", cb.Seq, cb.State, cb.Type, about, printable(cb.Lane), cb.Attempts,
		at.Format(time.DateTime), printable(cb.Error))
}

// replayFilter parses the arguments of replay: sequence numbers of callbacks, or
// --dead for all dead ones.
func replayFilter(c *cli.Context) (filter jobs.CallbackFilter, err error) {
	words := c.Args().Tail()
	filter = jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackOwed, jobs.CallbackDead}, Sink: c.String(callbackSinkFlag.Name)}
	if c.IsSet(callbackStateFlag.Name) || c.IsSet(beforeFlag.Name) || c.IsSet(limitFlag.Name) {
		return filter, badUsage("callbacks replay takes SEQs or --dead, not --state, --before or --limit")
	}
	if c.Bool(deadFlag.Name) {
		filter.States = filter.States[1:]
		if len(words) > 1 {
			return filter, badUsage("callbacks replay --dead takes at most a batch id, got %d arguments", len(words))
		}
		filter.Batch = strings.Join(words, "")
		return filter, nil
	}
	if len(words) == 0 {
		return filter, badUsage("callbacks replay: no SEQ given; --dead replays all dead callbacks")
	}
	if len(words) > maxReplaySeqs {
		return filter, badUsage("callbacks replay: %d SEQs, want at most %d", len(words), maxReplaySeqs)
	}
	for _, word := range words {
		seq, err := strconv.ParseInt(word, 10, 64)
		if err != nil || seq <= 0 {
			return filter, badUsage("callbacks replay %q: want the SEQ of a callback, as in the list", word)
		}
		filter.Seqs = append(filter.Seqs, seq)
	}
	return filter, nil
}

func replay(c *cli.Context, store jobs.Store, filter jobs.CallbackFilter) error {
	if filter.Batch != "" {
		if _, err := store.Batch(c.Context, filter.Batch); err != nil {
			return err
		}
	}
	if err := checkReplay(c, store, filter.Seqs); err != nil {
		return err
	}
	replayed, err := store.ReplayCallbacks(c.Context, filter, clock.Now())
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		err = json.NewEncoder(c.App.Writer).Encode(map[string]int{"replayed": replayed})
	} else {
		_, err = fmt.Fprintf(c.App.Writer, "%s queued for delivery\n", number.Of(replayed, "callback"))
	}
	if err != nil || replayed == 0 {
		return err
	}
	idle, err := hasNoWorker(c, store, "")
	if idle {
		fmt.Fprintln(c.App.ErrWriter, "no serve is running on this database: start `shotline serve` with the same --db to deliver them")
	}
	return err
}

// checkReplay returns an error if a sequence number has no callback, or if its
// callback was delivered.
func checkReplay(c *cli.Context, store jobs.Store, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	found, err := store.Callbacks(c.Context, jobs.CallbackFilter{Seqs: seqs, Limit: maxReplaySeqs})
	if err != nil {
		return err
	}
	state := map[int64]jobs.CallbackState{}
	for _, cb := range found {
		state[cb.Seq] = cb.State
	}
	for _, seq := range seqs {
		switch state[seq] {
		case "":
			return badUsage("callbacks replay: there is no callback %d", seq)
		case jobs.CallbackDelivered:
			return badUsage("callbacks replay: callback %d was delivered and its body was removed", seq)
		}
	}
	return nil
}
