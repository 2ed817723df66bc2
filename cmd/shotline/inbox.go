package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

var (
	inboxStateFlag  = &cli.StringSliceFlag{Name: "state", Usage: "only webhooks in this `STATE`: held, foreign, noted or aside (repeatable, or comma-separated)"}
	refusedFlag     = &cli.BoolFlag{Name: "refused", Usage: "list the newest 200 webhooks that were not accepted, instead"}
	beforePlaceFlag = &cli.IntFlag{Name: "before", Usage: "continue before this `PLACE`"}
)

// maxReplayPlaces is how many deliveries one replay command can name.
const maxReplayPlaces = 1000

func inboxCommand() *cli.Command {
	return &cli.Command{
		Name:  "inbox",
		Usage: "list the webhooks that changed no job, show one, or apply it again",
		Description: "inbox list           lists those that are held, foreign, noted or set aside, newest first\n" +
			"inbox list --refused lists those that were not accepted\n" +
			"inbox show PLACE     prints everything about a webhook, with its body\n" +
			"inbox replay PLACE…  applies webhooks again",
		ArgsUsage: "list | show PLACE | replay PLACE…",
		Flags:     storeFlags(inboxStateFlag, refusedFlag, limitFlag, allFlag, beforePlaceFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			word := c.Args().First()
			for _, flag := range []string{inboxStateFlag.Name, refusedFlag.Name, limitFlag.Name, allFlag.Name, beforePlaceFlag.Name} {
				if word != "list" && c.IsSet(flag) {
					return badUsage("--%s is for inbox list", flag)
				}
			}
			switch word {
			case "list":
				return inboxList(c)
			case "show":
				return inboxShow(c)
			case "replay":
				return inboxReplay(c)
			}
			return badUsage("inbox %q: want list, show PLACE or replay PLACE…", word)
		},
	}
}

func inboxList(c *cli.Context) error {
	if c.NArg() > 1 {
		return badUsage("inbox list takes no arguments, got %q", c.Args().Get(1))
	}
	maxItems, err := listLimit(c)
	if err != nil {
		return err
	}
	if c.Bool(refusedFlag.Name) {
		return inboxRefused(c, maxItems)
	}
	filter := jobs.DeliveryFilter{Before: int64(c.Int(beforePlaceFlag.Name))}
	if c.IsSet(beforePlaceFlag.Name) && filter.Before <= 0 {
		return badUsage("--before must be above zero")
	}
	for _, name := range listValues(c, inboxStateFlag.Name) {
		disposition := jobs.Disposition(name)
		if !slices.Contains(jobs.Unapplied, disposition) {
			return badUsage("--state %q: want one of %v", name, jobs.Unapplied)
		}
		filter.Dispositions = append(filter.Dispositions, disposition)
	}
	return withStore(c, func(store jobs.Store) error {
		return list[jobs.KeptDelivery]{
			noun:   "webhooks",
			header: "PLACE\tSTATE\tRECEIVED\tEVENT\tSCREENSHOT\tERROR",
			line: func(d jobs.KeptDelivery) string {
				reason := d.Error
				if d.AsideError != "" {
					reason = d.AsideError
				}
				return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", d.Seq, d.Disposition, d.ReceivedAt.Local().Format(time.DateTime),
					printable(d.Event), printable(d.ScreenshotID), printable(reason))
			},
			json: func(d jobs.KeptDelivery) any { return jobjson.FromDelivery(d, math.MaxInt64) },
			page: func(limit int) ([]jobs.KeptDelivery, bool, error) {
				filter.Limit = limit
				page, err := store.Unapplied(c.Context, filter)
				if len(page) > 0 {
					filter.Before = page[len(page)-1].Seq
				}
				return page, len(page) == limit, err
			},
			next: func(last jobs.KeptDelivery) string { return fmt.Sprintf("--before %d", last.Seq) },
		}.print(c, maxItems)
	})
}

// inboxRefused lists the webhooks that were not accepted.
func inboxRefused(c *cli.Context, maxItems int) error {
	if c.IsSet(inboxStateFlag.Name) || c.IsSet(beforePlaceFlag.Name) {
		return badUsage("--%s excludes --%s and --%s", refusedFlag.Name, inboxStateFlag.Name, beforePlaceFlag.Name)
	}
	return withStore(c, func(store jobs.Store) error {
		found, err := store.Refusals(c.Context)
		if err != nil {
			return err
		}
		return list[jobs.Refusal]{
			noun:   "webhooks",
			header: "TIME\tSTATUS\tPATH\tREASON\tHEADERS",
			line: func(r jobs.Refusal) string {
				reason := summary.PlainLine(r.Reason, 40)
				if r.More > 0 {
					reason += fmt.Sprintf(" (and %d more)", r.More)
				}
				return fmt.Sprintf("%s\t%d\t%s\t%s\t%s", r.At.Local().Format(time.DateTime), r.Status, printable(r.Path), reason, printable(ownHeaders(r.Headers)))
			},
			json: func(r jobs.Refusal) any { return jobjson.FromRefusal(r) },
			page: func(limit int) (page []jobs.Refusal, more bool, err error) {
				page, found = found[:min(limit, len(found))], found[min(limit, len(found)):]
				return page, len(found) > 0, nil
			},
			next: func(jobs.Refusal) string { return "--all" },
		}.print(c, maxItems)
	})
}

// ownHeaders returns the names of headers that not every client sends.
func ownHeaders(names []string) string {
	own := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.Contains([]string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type", "User-Agent"}, name)
	})
	return strings.Join(own, " ")
}

// places parses the places after the first argument.
func places(c *cli.Context) (places []int64, err error) {
	for _, word := range c.Args().Tail() {
		place, err := strconv.ParseInt(word, 10, 64)
		if err != nil || place <= 0 {
			return nil, badUsage("inbox %s %q: want the PLACE of a webhook, as in the list", c.Args().First(), word)
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return places, nil
}

// kept returns the delivery at a place in its JSON form, with its body.
func kept(c *cli.Context, store jobs.Store, place int64) (jobs.KeptDelivery, jobjson.Delivery, error) {
	page, cursor, err := store.Deliveries(c.Context, place-1, 1)
	if err == nil && (len(page) == 0 || page[0].Seq != place) {
		err = badUsage("there is no webhook at place %d; it may have been removed", place)
	}
	if err != nil {
		return jobs.KeptDelivery{}, jobjson.Delivery{}, err
	}
	return page[0], jobjson.FromDelivery(page[0], cursor), nil
}

func inboxShow(c *cli.Context) error {
	found, err := places(c)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return badUsage("inbox show takes one PLACE, got %d", len(found))
	}
	return withStore(c, func(store jobs.Store) error {
		d, form, err := kept(c, store, found[0])
		if err != nil {
			return err
		}
		if c.Bool(jsonFlag.Name) {
			return json.NewEncoder(c.App.Writer).Encode(form)
		}
		var s strings.Builder
		fmt.Fprintf(&s, "webhook %d  %s\n", form.Place, form.State)
		for _, line := range [][2]string{
			{"received", d.ReceivedAt.Local().Format(time.DateTime)}, {"event", d.Event}, {"screenshot", d.ScreenshotID}, {"outcome", form.Outcome},
			{"image", d.ImageURL}, {"error", d.Error}, {"set aside", d.AsideError},
		} {
			if line[1] != "" {
				fmt.Fprintf(&s, "  %-12s %s\n", line[0], printable(line[1]))
			}
		}
		fmt.Fprintf(&s, "  %-12s %s\n", "body", number.Of(len(d.Body), "byte"))
		for line := range strings.Lines(string(d.Body)) {
			fmt.Fprintf(&s, "%s\n", printable(line))
		}
		_, err = io.WriteString(c.App.Writer, s.String())
		return err
	})
}

// replayed is the result of applying a delivery again.
type replayed struct {
	Place int64  `json:"place"`
	As    int64  `json:"as"`    // place of the copy
	State string `json:"state"` // of the copy
}

// inboxReplay appends copies of deliveries to the inbox and applies them. That is
// what happens if the vendor repeats a webhook: a result that is known already
// changes nothing. The signatures were verified before the originals were kept.
func inboxReplay(c *cli.Context) error {
	found, err := places(c)
	if err != nil {
		return err
	}
	if len(found) == 0 || len(found) > maxReplayPlaces {
		return badUsage("inbox replay takes 1 to %d PLACEs, got %d", maxReplayPlaces, len(found))
	}
	return withStore(c, func(store jobs.Store) error {
		for _, place := range found {
			_, form, err := kept(c, store, place)
			if err != nil {
				return err
			}
			switch form.State {
			case "waiting":
				return badUsage("webhook %d is not applied yet: a running serve applies it in a moment", place)
			case string(jobs.DispositionHeld):
				return badUsage("webhook %d is held: it is applied as soon as the screenshot of a create is known", place)
			}
		}
		for _, place := range found {
			done, err := replayDelivery(c, store, place)
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				err = json.NewEncoder(c.App.Writer).Encode(done)
			} else {
				_, err = fmt.Fprintf(c.App.Writer, "webhook %d was applied again as %d: %s\n", done.Place, done.As, done.State)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func replayDelivery(c *cli.Context, store jobs.Store, place int64) (replayed, error) {
	d, _, err := kept(c, store, place)
	if err != nil {
		return replayed{}, err
	}
	again := d.Delivery
	again.ReceivedAt = clock.Now()
	if again.Seq, err = store.AppendDelivery(c.Context, again); err != nil {
		return replayed{}, err
	}
	for more := true; more; {
		applied, err := store.ApplyInbox(c.Context, clock.Now(), listPage)
		if err != nil {
			return replayed{}, fmt.Errorf("webhook %d was kept again as %d, but not applied yet: %w", place, again.Seq, err)
		}
		more = applied.More
	}
	_, form, err := kept(c, store, again.Seq)
	return replayed{Place: place, As: again.Seq, State: form.State}, err
}
