package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

const (
	// maxCandidates is how many batches are candidates.
	maxCandidates = 50
	// candidatesTime is the time limit of reading them: a shell waits for it.
	candidatesTime = 2 * time.Second
)

// completedLine is the part of a command line that precedes the word to complete.
type completedLine struct {
	app     *cli.App
	command *cli.Command // nil if the line has none yet
	values  map[string]string
	flag    string // the flag whose value is completed, if any
}

// candidatesFor returns what the last word can become. The words are those of a
// command line without the program. It returns nothing if files are wanted, and if
// something fails.
func candidatesFor(c *cli.Context, words []string) []entry {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	// Bash makes the = of --flag=value a word of its own.
	last := ""
	if n := len(words); n > 0 && words[n-1] != "=" {
		last, words = words[n-1], words[:n-1]
	}
	words = slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "=" })
	line := readLine(c.App, words)

	prefix := ""
	if name, value, inline := strings.Cut(last, "="); inline && strings.HasPrefix(name, "-") && line.flag == "" {
		line.flag, prefix, last = strings.TrimLeft(name, "-"), name+"=", value
	}
	var found []entry
	for _, e := range line.candidates(c.Context, last) {
		if strings.HasPrefix(e.name, last) {
			e.name = prefix + e.name
			found = append(found, e)
		}
	}
	return found
}

// readLine finds the command and the values of flags.
func readLine(app *cli.App, words []string) completedLine {
	line := completedLine{app: app, values: map[string]string{}}
	for i := 0; i < len(words); i++ {
		name, value, inline := strings.Cut(strings.TrimLeft(words[i], "-"), "=")
		switch {
		case !strings.HasPrefix(words[i], "-"):
			if line.command == nil {
				line.command = app.Command(words[i])
			}
		case inline:
			line.values[name] = value
		case takesValue(app, line.command, name):
			if i++; i == len(words) {
				line.flag = name
			} else {
				line.values[name] = words[i]
			}
		}
	}
	return line
}

// candidates returns what a word that begins like last can become.
func (l completedLine) candidates(ctx context.Context, last string) []entry {
	switch {
	case l.flag != "":
		return l.flagValues(ctx)
	case strings.HasPrefix(last, "-"):
		flags := l.app.Flags
		if l.command != nil {
			flags = append(slices.Clone(l.command.Flags), cli.HelpFlag)
		}
		var found []entry
		for _, flag := range flags {
			text, _, _ := strings.Cut(strings.ReplaceAll(flag.(cli.DocGenerationFlag).GetUsage(), "`", ""), "; ")
			text, _, _ = strings.Cut(text, " (") // the details are in the help
			found = append(found, entry{"--" + flag.Names()[0], text})
		}
		return found
	case l.command == nil:
		return commandEntries(l.app)
	}
	return l.arguments(ctx)
}

func commandEntries(app *cli.App) (found []entry) {
	for _, command := range app.Commands {
		found = append(found, entry{command.Name, command.Usage})
	}
	return found
}

// arguments returns the arguments of the command.
func (l completedLine) arguments(ctx context.Context) []entry {
	var found []entry
	switch l.command.Name {
	case "help":
		return commandEntries(l.app)
	case "callbacks":
		found = []entry{{"replay", "send callbacks again"}, {"secret", "create a signing secret"}}
	}
	if strings.Contains(l.command.ArgsUsage, "BATCH") {
		return append(l.batches(ctx), found...)
	}
	if usage := l.command.ArgsUsage; strings.ToLower(usage) == usage && usage != "" {
		for word := range strings.SplitSeq(strings.Trim(usage, "[]"), "|") {
			found = append(found, entry{name: word})
		}
	}
	return found
}

// flagChoices are the values of flags that have few. Those of --format depend on
// the command.
var flagChoices = map[string][]string{
	"log-level":       {"debug", "info", "warn", "error"},
	"renderer":        {"auto", "chrome", "plain"},
	"output":          {"image", "html", "pdf", "video"},
	"callbacks state": {"owed", "delivered", "dead"},
	"retry state":     {"failed", "timed_out", "canceled"},
	"state":           {"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "rejected", "duplicate"},
	"summary format":  {"text", "json", "csv", "html"},
	"results format":  {"csv", "tsv", "jsonl", "xlsx"},
}

func (l completedLine) flagValues(ctx context.Context) (found []entry) {
	if l.command == nil {
		return nil
	}
	if l.flag == "into" || l.flag == "batch" {
		return l.batches(ctx)
	}
	choices := flagChoices[l.command.Name+" "+l.flag]
	if choices == nil {
		choices = flagChoices[l.flag]
	}
	for _, choice := range choices {
		found = append(found, entry{name: choice})
	}
	return found
}

// batches returns the newest batches of the database of the command line, newest
// first.
func (l completedLine) batches(ctx context.Context) (found []entry) {
	database := l.database()
	open, err := storeOpener(database)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(database); err != nil {
		return nil // opening would create it
	}
	ctx, cancel := context.WithTimeout(ctx, candidatesTime)
	defer cancel()
	store, err := open(ctx, jobs.OpenOptions{Purpose: jobs.ForCommand, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil
	}
	defer store.Close()
	batches, err := store.Batches(ctx, "", maxCandidates)
	if err != nil {
		return nil
	}
	for _, b := range batches {
		text := fmt.Sprintf("%s, %s", b.State, number.Of(b.Counts.Rows, "row"))
		if b.Source != "" {
			text += " from " + summary.PlainLine(b.Source, 40)
		}
		text += b.CreatedAt.Format(", 2006-01-02 15:04")
		found = append(found, entry{b.ID, text})
	}
	return found
}

// database returns the database of the command line: that of --db, the
// environment, the file of --config, or the default.
func (l completedLine) database() string {
	for _, value := range []string{l.values[dbFlag.Name], trimmed(dbFlag.Name, os.Getenv(dbFlag.EnvVars[0]))} {
		if value != "" {
			return value
		}
	}
	config := l.values[configFlag.Name]
	if config == "" {
		config = os.Getenv(configFlag.EnvVars[0])
	}
	if data, err := os.ReadFile(config); err == nil {
		settings, _ := readSettings(data)
		for _, s := range settings {
			if s.name == dbFlag.Name && len(s.values) == 1 {
				return trimmed(s.name, s.values[0])
			}
		}
	}
	return dbFlag.Value
}
