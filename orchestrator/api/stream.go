package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

const (
	// maxStreams is the number of event streams that may be open at once.
	maxStreams = 512
	// heartbeatInterval is the longest time without output on a stream. It is
	// shorter than the time after which proxies and routers usually close idle
	// connections.
	heartbeatInterval = 15 * time.Second
)

type followEvents struct {
	Batch     string      `query:"batch" doc:"Only events of this batch and its jobs"`
	Job       string      `query:"job" doc:"Only events of this job"`
	Type      []eventType `query:"type" doc:"Only events of these types"`
	After     string      `query:"after" doc:"Begin after the event with this id, like Last-Event-ID; 0 begins with the oldest event that is kept"`
	LastEvent string      `header:"Last-Event-ID" doc:"The last id of an earlier stream; without it, and without after, the stream contains new events only"`
}

// eventType is a type of event in a query.
type eventType string

// Schema implements huma.SchemaProvider. The values are the types of
// jobs.EventTable.
func (eventType) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, kind := range jobs.EventTypes {
		s.Enum = append(s.Enum, string(kind))
	}
	return s
}

// StreamEvent is the data of an event.
type StreamEvent struct {
	ID        string         `json:"id" doc:"The webhook-id of callbacks about this event"`
	Type      jobs.EventType `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      any            `json:"data" doc:"The job or the batch; it has fewer fields if it has changed since"`
}

// Gap is the data of an event of type gap: requested events were pruned, or they
// never existed.
type Gap struct {
	After int64 `json:"after" doc:"The requested id"`
	Next  int64 `json:"next" doc:"The id after which the stream continues"`
}

func (s *server) eventRoutes() {
	op := operation(http.MethodGet, "/v1/events", "followEvents", "events", "Follow events as they happen", http.StatusNotFound)
	op.Description = "Server-sent events from the durable log. The id of an event is its position in the log. To continue a stream that broke off, send Last-Event-ID; another process can continue it, too. If requested events are not kept any more, the first event has the type gap. A client that does not read is disconnected."
	op.Responses = plainResponse(http.StatusOK, "The events", "text/event-stream")
	schemas := s.api.OpenAPI().Components.Schemas
	op.Responses["200"].Content["text/event-stream"].Extensions = map[string]any{"x-event-data": map[string]any{
		"gap": schemas.Schema(gapType, true, ""), "any other": schemas.Schema(streamEventType, true, ""),
	}}
	huma.Register(s.api, op, s.followEvents)
}

// streamAnswer is a stream that lasts until one side ends it.
type streamAnswer struct {
	Type  string `header:"Content-Type"`
	Cache string `header:"Cache-Control"`
	Proxy string `header:"X-Accel-Buffering"`
	Body  func(huma.Context)
}

func (s *server) followEvents(ctx context.Context, in *followEvents) (*streamAnswer, error) {
	filter, err := s.eventFilter(ctx, in)
	if err != nil {
		return nil, err
	}
	gap, err := s.startAfter(ctx, in, &filter)
	if err != nil {
		return nil, err
	}
	release, err := s.streams.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &streamAnswer{Type: "text/event-stream", Cache: "no-store", Proxy: "no", Body: func(out huma.Context) {
		defer release()
		out.SetStatus(http.StatusOK)
		if out.Method() == http.MethodHead {
			return
		}
		to := newStream(ctx, out.BodyWriter())
		if err := s.stream(ctx, to, filter, gap); err != nil && ctx.Err() == nil && to.err == nil && !errors.Is(err, context.Canceled) {
			s.Logger.Error("event stream failed", "after", filter.After, "error", err)
		}
	}}, nil
}

// eventFilter returns the filter of a request.
func (s *server) eventFilter(ctx context.Context, in *followEvents) (f jobs.EventFilter, err error) {
	for _, kind := range in.Type {
		f.Types = append(f.Types, jobs.EventType(kind))
	}
	if in.Batch != "" {
		if _, err := s.batch(ctx, in.Batch); err != nil {
			return f, err
		}
		f.Batch = in.Batch
	}
	if in.Job != "" {
		j, err := s.job(ctx, in.Job)
		if err != nil {
			return f, err
		}
		f.Job = j.ID
	}
	return f, nil
}

// startAfter sets the position after which a stream begins, and returns the gap
// before it.
func (s *server) startAfter(ctx context.Context, in *followEvents, f *jobs.EventFilter) (*Gap, error) {
	oldest, newest, err := s.Store.EventRange(ctx)
	if err != nil {
		return nil, s.failed(ctx, "read the range of events", err)
	}
	given, at := in.LastEvent, "header.Last-Event-ID"
	if given == "" {
		given, at = in.After, "query.after"
	}
	if given == "" {
		f.After = newest
		return nil, nil
	}
	after, err := strconv.ParseInt(given, 10, 64)
	if err != nil || after < 0 {
		return nil, invalid(at, fmt.Errorf("%s: want the id of an event, or 0 for the oldest event that is kept", at))
	}
	switch {
	case after > newest: // the ID is from another database, or the database was restored
		f.After = newest
	case after == 0 || after >= oldest-1:
		f.After = after
		return nil, nil
	default:
		f.After = oldest - 1
	}
	return &Gap{after, f.After}, nil
}

// stream writes events until ctx ends or the client disconnects.
func (s *server) stream(ctx context.Context, to *stream, filter jobs.EventFilter, gap *Gap) error {
	frames := &s.frames
	if readOnly(ctx) {
		frames = &s.shieldedFrames
	}
	position := filter.After
	if gap != nil {
		frame, err := frame(gap.Next, "gap", gap)
		if err != nil {
			return err
		}
		to.event(frame)
	}
	// Send the response now, not with the first event, so that a client can
	// continue a stream that breaks off before its first event.
	to.position(position)
	to.comment()
	if err := to.flush(); err != nil {
		return err
	}
	return s.Work.Follow(ctx, filter, s.heartbeat, func(page []jobs.Event, upTo int64) error {
		for _, e := range page {
			frame, err := frames.get(e.Seq, func() ([]byte, error) { return s.eventFrame(context.WithoutCancel(ctx), e) })
			if err != nil {
				return err
			}
			to.event(frame)
			position = e.Seq
		}
		if len(page) == 0 {
			if upTo > position {
				to.position(upTo)
				position = upTo
			}
			to.comment()
		}
		return to.flush()
	})
}

// eventFrame returns the encoded event.
func (s *server) eventFrame(ctx context.Context, e jobs.Event) ([]byte, error) {
	m, err := jobs.NewMessage(ctx, s.visibleStore(ctx), e)
	if err != nil {
		return nil, err
	}
	form := jobjson.FromMessage(m)
	if j, isJob := m.Data.(jobs.Job); isJob {
		form.Data = jobJSON(j)
	}
	return frame(e.Seq, string(e.Type), StreamEvent{e.ID(), form.Type, form.Timestamp, form.Data})
}

// frame encodes a server-sent event. Its data is JSON, which has no line breaks.
func frame(id int64, kind string, data any) ([]byte, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, text), nil
}

// stream writes server-sent events. After an error it writes nothing more.
type stream struct {
	*bufio.Writer
	flushHTTP func() error
	err       error
}

func newStream(ctx context.Context, w interface{ Write([]byte) (int, error) }) *stream {
	liftWriteDeadline(ctx)
	flushHTTP := func() error { return nil }
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		flushHTTP = e.Flush
	}
	return &stream{Writer: bufio.NewWriterSize(newDeadlineWriter(ctx, w), 16<<10), flushHTTP: flushHTTP}
}

// event writes a frame. An error is returned by the next flush.
func (s *stream) event(frame []byte) { _, _ = s.Write(frame) }

// position sends a position without an event. The client continues from there if
// the stream breaks off.
func (s *stream) position(id int64) { fmt.Fprintf(s, "id: %d\n", id) }

// comment sends a comment, which keeps the connection alive.
func (s *stream) comment() { fmt.Fprint(s, ":\n\n") }

func (s *stream) flush() error {
	if s.err = s.Flush(); s.err == nil {
		s.err = s.flushHTTP()
	}
	return s.err
}
