package callback

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"shotline/jobs"
)

// Format is what the body of a sink's callbacks looks like.
type Format string

// The formats of sinks. Slack's is understood by Mattermost, and by Discord below
// /slack, too.
const (
	FormatPlain Format = "plain" // a jobs.Message
	FormatSlack Format = "slack" // {"text":"…"}
)

// The words for sets of events.
const (
	wordAll      = "all"      // but for those of foreign screenshots
	wordFailures = "failures" // jobs that failed, timed out or were corrected, batches that finished with such, and those that an error paused
)

// Sink is a target of the operator's own, for the events of all batches. Its URL
// is a secret, which nothing of a Sink tells.
type Sink struct {
	Name     string
	Format   Format
	url      string
	types    map[jobs.EventType]bool
	failures bool // batches' events as well, when they tell of flawed rows
}

const sinkForm = "want NAME[:FORMAT][:EVENTS]=URL"

// ParseSink reads NAME[:FORMAT][:EVENTS]=URL: a format is plain or slack, EVENTS
// are types of events or the words all and failures, joined by "+". Without them
// it is plain and all. Errors do not repeat the URL, which is not checked.
func ParseSink(spec string) (Sink, error) {
	head, url, found := strings.Cut(spec, "=")
	if !found || strings.Contains(head, "//") {
		return Sink{}, errors.New(sinkForm)
	}
	s := Sink{Format: FormatPlain, url: strings.TrimSpace(url), types: map[jobs.EventType]bool{}}
	parts := strings.Split(strings.TrimSpace(head), ":")
	s.Name = parts[0]
	if err := checkName(s.Name); err != nil {
		return Sink{}, err
	}
	parts = parts[1:]
	if len(parts) > 0 && (parts[0] == string(FormatPlain) || parts[0] == string(FormatSlack)) {
		s.Format, parts = Format(parts[0]), parts[1:]
	}
	events := wordAll
	switch len(parts) {
	case 0:
	case 1:
		events = parts[0]
	default:
		return Sink{}, fmt.Errorf("sink %s: %q is no format: want plain or slack", s.Name, parts[0])
	}
	for word := range strings.SplitSeq(events, "+") {
		if err := s.want(word); err != nil {
			return Sink{}, fmt.Errorf("sink %s: %w", s.Name, err)
		}
	}
	if s.url == "" {
		return Sink{}, fmt.Errorf("sink %s: the URL is missing", s.Name)
	}
	return s, nil
}

func checkName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	switch {
	case name == "":
		return fmt.Errorf("the name is missing: %s", sinkForm)
	case len(name) > 40 || strings.Trim(name, letters) != "":
		return fmt.Errorf("a name has at most 40 of a-z, 0-9, - and _: %s", sinkForm)
	case name == kindURL:
		return fmt.Errorf("the name %s is taken", kindURL)
	}
	return nil
}

func (s *Sink) want(word string) error {
	switch {
	case word == wordAll:
		for _, kind := range jobs.EventTypes {
			if kind != jobs.EventForeign {
				s.types[kind] = true
			}
		}
	case word == wordFailures:
		// Whoever heard of a failure has to hear when it was none.
		s.types[jobs.EventJobFailed], s.types[jobs.EventJobTimedOut], s.types[jobs.EventJobCorrected], s.failures = true, true, true, true
	case slices.Contains(jobs.EventTypes, jobs.EventType(word)):
		s.types[jobs.EventType(word)] = true
	default:
		return fmt.Errorf("%.40q is no event: want all, failures or some of %v joined by +", word, jobs.EventTypes)
	}
	return nil
}

// mayWant is whether the event has to be looked at.
func (s *Sink) mayWant(kind jobs.EventType) bool {
	return s.types[kind] || s.failures && (kind == jobs.EventBatchFinished || kind == jobs.EventBatchRevised || kind == jobs.EventBatchPaused)
}

// wants is whether what the event tells is for this sink. Of a batch that has
// gone on meanwhile the event of its next end will tell; the end of a job that
// came by itself was told by its own event. That an error paused a batch is a
// failure, unless it is that of a job that came by itself: there may be thousands.
func (s *Sink) wants(m jobs.Message) bool {
	if s.types[m.Type] {
		return true
	}
	b, isBatch := m.Data.(jobs.Batch)
	return isBatch && s.mayWant(m.Type) && !b.Single && (b.Counts.Flawed() > 0 || m.Type == jobs.EventBatchPaused)
}

// String is the sink's name.
func (s Sink) String() string { return s.Name }

// LogValue is the sink's name.
func (s Sink) LogValue() slog.Value { return slog.StringValue(s.Name) }
