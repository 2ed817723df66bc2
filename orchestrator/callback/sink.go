package callback

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"shotline/jobs"
)

// Format is the format of the body of a sink's callbacks.
type Format string

// The formats of sinks. Mattermost understands Slack's, and so does Discord at URLs
// that end in /slack.
const (
	FormatPlain Format = "plain" // a jobjson.Message
	FormatSlack Format = "slack" // {"text":"…"}
)

// The words that select several types of events, by the rules of jobs.EventTable.
const (
	wordAll      = "all"
	wordFailures = "failures"
)

// Sink is a target of the operator, for the events of all batches. Its URL is a
// secret: a Sink prints and logs only its name.
type Sink struct {
	Name     string
	Format   Format
	url      string
	types    map[jobs.EventType]bool // the sink receives all events of these types
	failures bool                    // and events of batches by the rule of jobs.SinkRule
}

const sinkSyntax = "want NAME[:FORMAT][:EVENTS]=URL"

// ParseSink parses NAME[:FORMAT][:EVENTS]=URL. FORMAT is plain, the default, or
// slack. EVENTS are types of events or the words all, the default, and failures,
// joined by "+". ParseSink does not check the URL, and its errors do not repeat it.
func ParseSink(spec string) (Sink, error) {
	head, url, found := strings.Cut(spec, "=")
	if !found || strings.Contains(head, "//") {
		return Sink{}, errors.New(sinkSyntax)
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
		return Sink{}, fmt.Errorf("sink %s: %q is not a format: want plain or slack", s.Name, parts[0])
	}
	for word := range strings.SplitSeq(events, "+") {
		if err := s.add(word); err != nil {
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
		return fmt.Errorf("the name is missing: %s", sinkSyntax)
	case len(name) > 40 || strings.Trim(name, letters) != "":
		return fmt.Errorf("a name has at most 40 of a-z, 0-9, - and _: %s", sinkSyntax)
	case name == kindURL:
		return fmt.Errorf("the name %s is taken", kindURL)
	}
	return nil
}

// add adds the events that a word of EVENTS selects.
func (s *Sink) add(word string) error {
	switch {
	case word == wordAll:
		for _, info := range jobs.EventTable {
			if info.Sinks >= jobs.SinksAll {
				s.types[info.Type] = true
			}
		}
	case word == wordFailures:
		s.failures = true
		for _, info := range jobs.EventTable {
			if info.Subject != jobs.SubjectBatch && info.Sinks == jobs.SinksFailures {
				s.types[info.Type] = true
			}
		}
	case slices.Contains(jobs.EventTypes, jobs.EventType(word)):
		s.types[jobs.EventType(word)] = true
	default:
		return fmt.Errorf("%.40q is not an event: want all, failures or some of %v joined by +", word, jobs.EventTypes)
	}
	return nil
}

// mayWant reports whether the sink can want an event of the type. If not, the event
// needs no message.
func (s *Sink) mayWant(kind jobs.EventType) bool {
	info := kind.Info()
	return s.types[kind] || s.failures && info.Subject == jobs.SubjectBatch && info.Sinks >= jobs.SinksFailuresIfFlawed
}

// wants reports whether the sink receives the message. A sink of failures does not
// receive the event of a batch that changed after it: an event of the batch follows
// when it ends again.
func (s *Sink) wants(m jobs.Message) bool {
	if s.types[m.Type] {
		return true
	}
	b, isBatch := m.Data.(jobs.Batch)
	return isBatch && s.mayWant(m.Type) && !b.Single && (m.Type.Info().Sinks == jobs.SinksFailures || b.Counts.Flawed() > 0)
}

// String returns the name of the sink.
func (s Sink) String() string { return s.Name }

// LogValue returns the name of the sink.
func (s Sink) LogValue() slog.Value { return slog.StringValue(s.Name) }
