package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/input"
)

// received passes a body to receive and returns the rows.
func received(t *testing.T, body string, header http.Header, amends bool) (rows []jobs.Request, err error) {
	t.Helper()
	s := &server{Config: Config{MaxBatch: 1 << 20, MaxRows: 100, SpoolDir: t.TempDir(), CheckURL: func(string) error { return nil },
		Room: func() error { return nil }, NewID: func() string { return "b1" }, Logger: slog.New(slog.DiscardHandler)}}
	request := httptest.NewRequest(http.MethodPost, "/v1/batches", strings.NewReader(body))
	request.Header = header
	up := &upload{amends: amends}
	if up.spool, err = newSpool(s.SpoolDir, s.MaxBatch, s.Room); err != nil {
		t.Fatal(err)
	}
	defer up.close()
	if err := s.receive(t.Context(), request, RowOptions{}, up); err != nil {
		return nil, err
	}
	if up.closeRows != nil {
		defer up.closeRows()
	}
	for {
		row, err := up.rows()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

// FuzzReceive checks that any content type, coding and body is answered with the
// client's error or gives rows, and that a charset is used.
func FuzzReceive(f *testing.F) {
	formBody, formKind := form(&testing.T{}, "file@", "url\na.test\n", "source", "x")
	for _, seed := range [][3]string{
		{"text/csv; charset=windows-1252", "", "url,a\na.test,\xe9\n"}, {"text/csv;charset=\"UTF-16LE\"", "", "u\x00r\x00l\x00\n\x00a\x00.\x00b\x00"},
		{"application/x-ndjson", "gzip", "\x1f\x8b"}, {"application/json", "", `{"jobs":[{"url":"a.test"}]}`}, {formKind, "", formBody},
		{"multipart/form-data", "", "--"}, {"TEXT/CSV; charset=x; charset=y", "br", "a"}, {"application/jsonl; charset=shift_jis", "identity", "\"a.test\"\n"},
	} {
		f.Add(seed[0], seed[1], seed[2], false)
	}
	f.Fuzz(func(t *testing.T, kind, coding, body string, amends bool) {
		rows, err := received(t, body, http.Header{"Content-Type": {kind}, "Content-Encoding": {coding}}, amends)
		var answer huma.StatusError
		switch {
		case err == nil && len(rows) == 0:
			t.Errorf("%q: no rows, and no error", kind)
		case errors.As(err, &answer) && !slices.Contains([]int{400, 413, 415, 422}, answer.GetStatus()):
			t.Errorf("%q: %d %v", kind, answer.GetStatus(), err)
		}
		charset, named := strings.CutPrefix(kind, "text/csv; charset=")
		if !named || coding != "" || strings.ContainsAny(charset, "\"\\; \t*=,()<>@:/[]?{}") || charset == "" {
			return
		}
		if input.CheckEncoding(charset) != nil {
			if answer == nil || answer.GetStatus() != http.StatusUnsupportedMediaType {
				t.Errorf("charset %q: %v", charset, err)
			}
			return
		}
		reader, wantErr := input.Open(strings.NewReader(body), input.Options{Encoding: charset, CheckURL: func(string) error { return nil }, MaxSize: 1 << 20, TempDir: t.TempDir()})
		if wantErr != nil {
			if err == nil {
				t.Errorf("charset %q: got %d rows, want %v", charset, len(rows), wantErr)
			}
			return
		}
		defer reader.Close()
		for i, row := range rows {
			if want, err := reader.Next(); err != nil || !cmp.Equal(want, row) {
				t.Fatalf("charset %q, row %d: got %+v, want %+v, %v", charset, i+1, row, want, err)
			}
		}
	})
}

// FuzzRows checks that a JSON body is either refused as a whole, or each of its
// rows is read.
func FuzzRows(f *testing.F) {
	for _, body := range []string{
		`{"jobs":[{"url":"a.test","params":{"width":800}},{"url":"","metadata":{"n":1e999}}],"tags":["x"]}`, `{"jobs":[{"job_id":"b1-2","url":"a.test","priority":3}]}`,
		`{"jobs":[]}`, `{"jobs":{}}`, `{"tags":["a"],"jobs":[{"url":1}]}`, `{"jobs":[{"url":"a"}]}x`, `{"jobs":[{"URL":"a"}]}`, "{\"jobs\":[{\"url\":\"\xff\"}]}", `{"jobs":[{"url":"a","url":"b"}]}`,
	} {
		f.Add(body, true)
		f.Add(body, false)
	}
	f.Fuzz(func(t *testing.T, body string, amends bool) {
		rows, err := received(t, body, http.Header{"Content-Type": {"application/json"}}, amends)
		var answer huma.StatusError
		if err != nil {
			if !errors.As(err, &answer) || len(rows) > 0 {
				t.Errorf("%q: %d rows, then %v", body, len(rows), err)
			}
			return
		}
		if len(rows) == 0 {
			t.Errorf("%q: no rows, and no error", body)
		}
		for i, row := range rows {
			if row.Line != i+1 || row.Reject == "" && row.URL == "" || !amends && !row.Job.IsZero() {
				t.Errorf("%q: row %+v", body, row)
			}
		}
	})
}
