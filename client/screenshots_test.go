package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

const fullScreenshot = `{"id":4711,"status":"finished","url":"https://example.com/","final_url":"https://www.example.com/",
	"error":null,"cost":1.5,"tag":["first","second"],"created_at":"2026-03-01T10:00:00Z","finished_at":"2026-03-01 10:00:05",
	"country":"us","region":"east","language":"en","timezone":"UTC","size":"page","shots":2,"html":true,"pdf":false,"video":0,
	"has_html":"1","has_pdf":false,"has_video":null,"image_url":"https://i/1.png","storage_url":"s3://b/1.png","novel":{"a":1}}`

func wantFull() Screenshot {
	cost := 1.5
	return Screenshot{
		ID: "4711", Status: StatusFinished, URL: "https://example.com/", FinalURL: "https://www.example.com/",
		Cost: &cost, Tags: []string{"first", "second"},
		CreatedAt:  time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
		FinishedAt: time.Date(2026, 3, 1, 10, 0, 5, 0, time.UTC),
		Country:    "us", Region: "east", Language: "en", Timezone: "UTC", Size: "page", Shots: 2,
		HTML: true, HasHTML: true, ImageURL: "https://i/1.png", StorageURL: "s3://b/1.png",
		Extra: map[string]json.RawMessage{"novel": json.RawMessage(`{"a":1}`)},
	}
}

func TestEveryCallReadsBothEnvelopes(t *testing.T) {
	for name, wrap := range map[string]func(string) string{
		"bare":         func(s string) string { return s },
		"enveloped":    func(s string) string { return `{"success":true,"data":` + s + `}` },
		"with padding": func(s string) string { return "\n {\"data\": " + s + ", \"success\": true} \r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			requests := make(chan string, 5)
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests <- r.RequestURI
				switch r.URL.Path {
				case "/api/v1/screenshot/list", "/api/v1/screenshot/search":
					io.WriteString(w, wrap("["+fullScreenshot+"]"))
				case "/api/v1/account/info":
					io.WriteString(w, wrap(`{"balance":12.5,"plan":"pro","limits":3}`))
				default:
					io.WriteString(w, wrap(fullScreenshot))
				}
			})
			created, err1 := c.Create(t.Context(), CreateRequest{URL: "https://example.com"})
			info, err2 := c.Info(t.Context(), "4711")
			list, err3 := c.List(t.Context(), ListOptions{Limit: 10, Offset: 20, Status: StatusError, Country: "us", Tag: "a b"})
			found, err4 := c.Search(t.Context(), SearchOptions{URL: "example", Limit: 5})
			account, err5 := c.Account(t.Context())
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
				t.Fatal(err)
			}
			if len(list) != 1 || len(found) != 1 {
				t.Fatalf("List returned %d, Search %d, want 1", len(list), len(found))
			}
			for _, shot := range []Screenshot{created, info, list[0], found[0]} {
				if !reflect.DeepEqual(shot, wantFull()) {
					t.Errorf("got  %+v\nwant %+v", shot, wantFull())
				}
			}
			if account.Balance != 12.5 || account.Plan != "pro" || string(account.Extra["limits"]) != "3" {
				t.Errorf("account %+v", account)
			}
			for _, want := range []string{
				"/api/v1/screenshot/create?url=https%3A%2F%2Fexample.com",
				"/api/v1/screenshot/info?id=4711",
				"/api/v1/screenshot/list?country=us&limit=10&offset=20&status=error&tag=a+b",
				"/api/v1/screenshot/search?limit=5&url=example",
				"/api/v1/account/info",
			} {
				if got := <-requests; got != want {
					t.Errorf("requested %s, want %s", got, want)
				}
			}
		})
	}
}

func TestDecodeScreenshot(t *testing.T) {
	type extra = map[string]json.RawMessage
	for name, tc := range map[string]struct {
		in   string
		want Screenshot
	}{
		"id as text":      {`{"id":"sc_abc123"}`, Screenshot{ID: "sc_abc123"}},
		"id beyond int64": {`{"id":12345678901234567890123}`, Screenshot{ID: "12345678901234567890123"}},
		"one tag":         {`{"id":1,"tag":"solo"}`, Screenshot{ID: "1", Tags: []string{"solo"}}},
		"no tags":         {`{"id":1,"tag":[]}`, Screenshot{ID: "1", Tags: []string{}}},
		"empty tag":       {`{"id":1,"tag":""}`, Screenshot{ID: "1", Tags: []string{}}},
		"number as tag":   {`{"id":1,"tag":[2026,"x",null]}`, Screenshot{ID: "1", Tags: []string{"2026", "x"}}},
		"failed":          {`{"id":1,"status":"error","error":"timeout"}`, Screenshot{ID: "1", Status: StatusError, Error: "timeout"}},
		"error false":     {`{"id":1,"error":false}`, Screenshot{ID: "1"}},
		"new status":      {`{"id":1,"status":"queued"}`, Screenshot{ID: "1", Status: "queued"}},
		"odd forms": {
			`{"id":1,"shots":[1],"created_at":"yesterday","cost":"free","url":["a"],"pdf":"maybe"}`,
			Screenshot{ID: "1", Extra: extra{
				"shots": json.RawMessage(`[1]`), "created_at": json.RawMessage(`"yesterday"`),
				"cost": json.RawMessage(`"free"`), "url": json.RawMessage(`["a"]`), "pdf": json.RawMessage(`"maybe"`),
			}},
		},
		"other case is another name": {`{"id":1,"ID":2}`, Screenshot{ID: "1", Extra: extra{"ID": json.RawMessage(`2`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeScreenshot(json.RawMessage(tc.in))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
	for _, bad := range []string{
		`null`, `[]`, `1`, `{}`, `{"id":null}`, `{"id":""}`, `{"id":0}`, `{"id":-1}`, `{"id":1.5}`, `{"id":true}`,
		`{"id":[1]}`, `{"id":1,"tag":{}}`, `{"id":1,"tag":[["a"]]}`,
	} {
		if shot, err := decodeScreenshot(json.RawMessage(bad)); err == nil {
			t.Errorf("%s: got %+v, want an error", bad, shot)
		}
	}
}

func TestDecodeTimes(t *testing.T) {
	want := time.Date(2026, 3, 1, 10, 0, 5, 0, time.UTC)
	for _, in := range []string{
		`"2026-03-01T10:00:05Z"`, `"2026-03-01T12:00:05+02:00"`, `"2026-03-01T12:00:05+0200"`, `"2026-03-01T10:00:05"`,
		`"2026-03-01T10:00:05.000000Z"`, `"2026-03-01 10:00:05"`, `"2026-03-01 10:00:05.000"`,
		`"2026-03-01 12:00:05+02:00"`, `"2026-03-01 12:00:05 +0200"`, `"2026-03-01 10:00:05 UTC"`,
		`1772359205`, `"1772359205"`, `1772359205000`, `1772359205.0`,
	} {
		if got, ok := readTime(json.RawMessage(in)); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v", in, got, ok)
		}
	}
	for _, in := range []string{`"0000-00-00 00:00:00"`, `"soon"`, `"2026-03-01 10:00:05 PST"`, `{}`, `true`, `-1`, `0`, `1e300`, `"NaN"`} {
		if got, ok := readTime(json.RawMessage(in)); ok || !got.IsZero() {
			t.Errorf("%s: got %v, want an error", in, got)
		}
	}
}

func TestListings(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		n    int
		ok   bool
	}{
		"empty":                {`[]`, 0, true},
		"null":                 {`{"success":true,"data":null}`, 0, true},
		"two":                  {`[{"id":1},{"id":"b"}]`, 2, true},
		"object":               {`{"screenshots":[{"id":1},{"id":2}]}`, 2, true},
		"object, enveloped":    {`{"success":true,"message":"ok","data":{"screenshots":[{"id":1}],"total":1}}`, 1, true},
		"object, no data":      {`{"success":true,"screenshots":[{"id":1}]}`, 1, true},
		"empty object":         {`{"success":true,"data":{"screenshots":[]}}`, 0, true},
		"object of null":       {`{"screenshots":null}`, 0, true},
		"not a list":           {`{"success":true,"data":{"id":1}}`, 0, false},
		"object of an object":  {`{"screenshots":{"id":1}}`, 0, false},
		"object without any":   {`{"success":true,"data":{}}`, 0, false},
		"a string":             {`"none"`, 0, false},
		"screenshots by case":  {`{"Screenshots":[{"id":1}]}`, 0, false},
		"an error, no success": {`{"error":"bad","code":"INVALID_PARAMS"}`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answer(200, tc.body))
			listed, listErr := c.List(t.Context(), ListOptions{})
			found, searchErr := c.Search(t.Context(), SearchOptions{URL: "a"})
			for shots, err := range map[*[]Screenshot]error{&listed: listErr, &found: searchErr} {
				if (err == nil) != tc.ok || len(*shots) != tc.n {
					t.Errorf("%d screenshots, %v", len(*shots), err)
				}
				if err != nil && !errors.As(err, new(*CallError)) && !errors.As(err, new(*APIError)) {
					t.Errorf("got %T, want a CallError or an APIError", err)
				}
			}
		})
	}
}

// If a row cannot be read, its error contains the reason and the other rows are
// returned.
func TestOddRowsOfAListing(t *testing.T) {
	for name, tc := range map[string]struct {
		row    string
		reason string // empty if the row can be read
		id     string
	}{
		"no id":           {`{"url":"https://a.test/","tag":["shotline-b1-7-1"]}`, "has no id", ""},
		"null as id":      {`{"id":null}`, "has no id", ""},
		"a list as id":    {`{"id":[7]}`, "has no id", ""},
		"true as id":      {`{"id":true}`, "has no id", ""},
		"a negative id":   {`{"id":-7}`, "has no id", ""},
		"a fraction":      {`{"id":7.5}`, "has no id", ""},
		"too long an id":  {`{"id":"` + strings.Repeat("9", 300) + `"}`, "has no id", ""},
		"odd tags":        {`{"id":7,"tag":{"a":"b"}}`, "tag", ""},
		"null":            {`null`, "not an object", ""},
		"a number":        {`7`, "not an object", ""},
		"a text":          {`"seven"`, "not an object", ""},
		"a list":          {`[{"id":7}]`, "not an object", ""},
		"text as id":      {`{"id":"7"}`, "", "7"},
		"a large number":  {`{"id":98765432109876543210}`, "", "98765432109876543210"},
		"odd fields":      {`{"id":7,"cost":1e999,"shots":99999999999999999999,"created_at":1e300,"html":[],"status":{},"error":["x"]}`, "", "7"},
		"fields of null":  {`{"id":7,"url":null,"tag":null,"cost":null,"created_at":null,"has_pdf":null}`, "", "7"},
		"a field as text": {`{"id":7,"cost":"1.5","shots":"2","html":"true"}`, "", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := make([]string, 500)
			for i := range rows {
				rows[i] = fmt.Sprintf(`{"id":%d,"status":"finished"}`, 1000+i)
			}
			rows[321] = tc.row
			c := serve(t, answer(200, `{"success":true,"data":[`+strings.Join(rows, ",")+`]}`))
			shots, err := c.List(t.Context(), ListOptions{Limit: 500})
			if err != nil || len(shots) != 500 {
				t.Fatalf("%d rows, %v", len(shots), err)
			}
			for i, shot := range shots {
				if i != 321 && (shot.ReadError != nil || shot.ID != fmt.Sprint(1000+i)) {
					t.Fatalf("row %d: got %+v", i+1, shot)
				}
			}
			odd := shots[321].ReadError
			switch {
			case shots[321].ID != tc.id || (odd == nil) != (tc.reason == ""):
				t.Errorf("row 322: got %+v", shots[321])
			case odd != nil && (odd.Row != 322 || odd.Rows != 500 || !strings.Contains(odd.Error(), tc.reason) || string(odd.Raw) != tc.row):
				t.Errorf("raw row %q, error %v", odd.Raw, odd)
			case odd != nil && odd.Mentions("shotline-b1-7-1") != strings.Contains(tc.row, "shotline-b1-7-1"):
				t.Error("Mentions returned a wrong result")
			}
		})
	}
}

func TestARowMentionsWholeTags(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{"tag":["shotline-b1-1-1"]}`: true, `{"tag":"x,shotline-b1-1-1"}`: true, `shotline-b1-1-1`: true,
		`{"tag":["shotline-b1-1-10"]}`: false, `{"tag":["my-shotline-b1-1-1"]}`: false, `{"tag":["shotline-b1-1-10","shotline-b1-1-1"]}`: true,
	} {
		if e := (&RowError{Raw: []byte(raw)}); e.Mentions("shotline-b1-1-1") != want {
			t.Errorf("%s mentions shotline-b1-1-1: %t, want %t", raw, !want, want)
		}
	}
}

func TestReadsRefuseBadArguments(t *testing.T) {
	c := newClient(t, "http://api.invalid") // no request is sent
	_, noID := c.Info(t.Context(), "")
	_, negative := c.List(t.Context(), ListOptions{Offset: -1})
	_, noURL := c.Search(t.Context(), SearchOptions{})
	_, noThumb := c.Thumbnail(t.Context(), "", ThumbnailOptions{})
	_, crop := c.Thumbnail(t.Context(), "1", ThumbnailOptions{Top: -1})
	_, scale := c.Thumbnail(t.Context(), "1", ThumbnailOptions{Scale: -1})
	_, infinite := c.Thumbnail(t.Context(), "1", ThumbnailOptions{Scale: math.Inf(1)})
	_, zoom := c.Thumbnail(t.Context(), "1", ThumbnailOptions{Zoom: -1})
	for want, err := range map[string]error{"info id": noID, "offset": negative, "url": noURL, "thumbnail id": noThumb, "top": crop, "scale": scale, "infinite scale": infinite, "zoom": zoom} {
		if param := new(ParamError); !errors.As(err, &param) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestAccountWithoutBalance(t *testing.T) {
	for _, body := range []string{`{}`, `[]`, `{"balance":null}`, `{"balance":"much"}`} {
		if _, err := serve(t, answer(200, body)).Account(t.Context()); !errors.As(err, new(*CallError)) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	account, err := serve(t, answer(200, `{"balance":"7.25"}`)).Account(t.Context())
	if err != nil || account.Balance != 7.25 {
		t.Errorf("balance as text: %+v, %v", account, err)
	}
}

func FuzzDecodeScreenshot(f *testing.F) {
	for _, seed := range []string{
		fullScreenshot, `{"success":true,"data":` + fullScreenshot + `}`, `[` + fullScreenshot + `]`, `{"id":1}`, `null`, ``,
		`{"id":"` + canary + `","tag":"x","created_at":1e99,"cost":"NaN","shots":1e3}`, `{"success":false,"data":{"id":1}}`,
		`{"id":1,"tag":[null,[],{}]}`, "{\"id\": \t1 , \"tag\" : [ \"a\" ] }",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		env, err := parseEnvelope(body)
		if err != nil {
			return
		}
		shots, err := decodeScreenshots(env.payload)
		if err != nil {
			shot, err := decodeScreenshot(env.payload)
			if err != nil {
				return
			}
			shots = []Screenshot{shot}
		}
		for _, shot := range shots {
			if shot.ReadError != nil {
				if shot.ID != "" || shot.ReadError.Error() == "" {
					t.Fatalf("unreadable row: got %+v", shot)
				}
				continue
			}
			if shot.ID == "" || len(shot.ID) > maxID {
				t.Fatalf("accepted the id %q", shot.ID)
			}
			again, err := json.Marshal(shot)
			if err != nil {
				continue // a time beyond the year 9999 cannot be encoded
			}
			read, err := decodeScreenshot(again)
			if err != nil || read.ID != shot.ID || len(read.Tags) != len(shot.Tags) {
				t.Errorf("%s: decoded again as %+v, %v", again, read, err)
			}
		}
	})
}

// The vendor's error text of a page might quote the request, even if the call
// itself succeeds.
func TestReasonsDoNotShowTheKey(t *testing.T) {
	failed := fmt.Sprintf(`{"id":1,"status":"error","error":"could not open ?key=%s"}`, url.QueryEscape(canary))
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/list") {
			io.WriteString(w, "["+failed+"]")
			return
		}
		io.WriteString(w, failed)
	})
	shot, err1 := c.Info(t.Context(), "1")
	shots, err2 := c.List(t.Context(), ListOptions{})
	batch, err3 := c.Batch(t.Context(), "1")
	batches, err4 := c.Batches(t.Context(), BatchListOptions{})
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(shots) != 1 || len(batches) != 1 {
		t.Fatal(err)
	}
	for _, reason := range []string{shot.Error, shots[0].Error, batch.Error, batches[0].Error} {
		if reason != "could not open ?key=[key]" {
			t.Errorf("got %q", reason)
		}
	}
}
