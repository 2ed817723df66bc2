package api

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"shotline/client/parameter"
	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/jobjson"
	"shotline/jobs/summary"
)

// A read-only token does not see credentials: the user and password of a URL,
// wherever it appears, and parameters that contain credentials. Of the address of
// a callback it sees only the origin.

// hidden replaces a hidden text.
const hidden = "***"

// credentials matches the credentials of URLs in a text, up to the last @ before
// the path.
var credentials = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.\-]*:[/\\]+)[^/\\?#\s"<>]*@`)

// cellCredentials matches the credentials of a cell that is a URL. Such a URL may
// contain spaces and line breaks, which are encoded or removed in the job's URL.
var cellCredentials = regexp.MustCompile(`(?i)^([^a-z/\\]*(?:h\s*t\s*t\s*p\s*(?:s\s*)?:\s*)?[/\\]\s*[/\\][/\\\s]*)[^/\\?#]*@`)

// hideInCell returns a cell of the input without the credentials of URLs.
func hideInCell(cell string) string {
	if !strings.Contains(cell, "@") {
		return cell
	}
	return hideCredentials(cellCredentials.ReplaceAllString(cell, "${1}"+hidden+"@"))
}

// hideCredentials returns a text without the credentials of URLs.
func hideCredentials(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return credentials.ReplaceAllString(text, "${1}"+hidden+"@")
}

// hideBeforeAt hides everything before the last @. It is for texts that could not
// be parsed, and therefore might contain credentials in any form.
func hideBeforeAt(text string) string {
	if at := strings.LastIndex(text, "@"); at >= 0 {
		return hidden + text[at:]
	}
	return text
}

// shieldValue returns a JSON value without credentials.
func shieldValue(value any) any {
	switch v := value.(type) {
	case string:
		return hideCredentials(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = shieldValue(v[i])
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(v))
		for name := range v {
			fields[hideCredentials(name)] = shieldValue(v[name])
		}
		return fields
	}
	return value
}

func shieldJob(j jobs.Job) jobs.Job {
	hide, hideCell := hideCredentials, hideInCell
	if j.State == jobs.Rejected {
		hide, hideCell = hideBeforeAt, hideBeforeAt
	}
	j.URL, j.Error, j.ImageURL = hide(j.URL), hide(j.Error), hideCredentials(j.ImageURL)
	if j.Cells != nil {
		j.Cells = slices.Clone(j.Cells)
		for i, cell := range j.Cells {
			j.Cells[i] = hideCell(cell)
		}
	}
	if j.Tags != nil {
		j.Tags = slices.Clone(j.Tags)
		for i, tag := range j.Tags {
			j.Tags[i] = hideCredentials(tag)
		}
	}
	if j.Metadata != nil {
		metadata, _ := shieldValue(map[string]any(j.Metadata)).(map[string]any)
		hideSecrets(metadata) // of a column that has the name of a secret parameter
		j.Metadata = metadata
	}
	if j.Params != nil {
		params, _ := shieldValue(map[string]any(j.Params)).(map[string]any)
		hideSecrets(params)
		j.Params = params
	}
	return j
}

// hideSecrets hides the values of parameters that contain credentials.
func hideSecrets(values map[string]any) {
	for name := range values {
		if parameter.IsSecret(name) {
			values[name] = hidden
		}
	}
}

// shieldCells hides the cells of secret columns. If a row has more cells than
// there are columns, an unquoted value might have shifted the cells after it.
// Then all cells from the first secret column on are hidden. If it has fewer, it
// could not be divided into cells, and all are hidden.
func shieldCells(cells []string, secret []bool) {
	first := slices.Index(secret, true)
	for i, cell := range cells {
		shifted := first >= 0 && (len(cells) < len(secret) || i >= first && len(cells) > len(secret))
		if cell != "" && (shifted || i < len(secret) && secret[i]) {
			cells[i] = hidden
		}
	}
}

func shieldBatch(b jobs.Batch) jobs.Batch {
	b.Source, b.PauseReason = hideCredentials(b.Source), hideCredentials(b.PauseReason)
	if b.Columns != nil { // if the list has no header, a column name might be a URL
		b.Columns = slices.Clone(b.Columns)
		for i, column := range b.Columns {
			b.Columns[i] = hideCredentials(column)
		}
	}
	return b
}

func shieldSummary(s summary.Summary) summary.Summary {
	s.Source, s.PauseReason = hideCredentials(s.Source), hideCredentials(s.PauseReason)
	s.Reasons = slices.Clone(s.Reasons)
	for i, reason := range s.Reasons {
		hide := hideCredentials
		if reason.State == jobs.Rejected {
			hide = hideBeforeAt
		}
		s.Reasons[i].Error = hide(reason.Error)
	}
	return s
}

// shieldCallback hides everything but the origin of the address.
func shieldCallback(form jobjson.Callback) jobjson.Callback {
	if u, err := url.Parse(form.URL); err == nil && form.URL != "" {
		form.URL = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	} else {
		form.URL = ""
	}
	form.Error = hideCredentials(form.Error)
	return form
}

// shieldedStore is the store as read-only tokens see it.
type shieldedStore struct{ Store }

// visibleStore returns the store as the caller may see it.
func (s *server) visibleStore(ctx context.Context) Store {
	if readOnly(ctx) {
		return shieldedStore{s.Store}
	}
	return s.Store
}

// Batch implements Store.
func (s shieldedStore) Batch(ctx context.Context, id string) (jobs.Batch, error) {
	b, err := s.Store.Batch(ctx, id)
	return shieldBatch(b), err
}

// Batches implements Store.
func (s shieldedStore) Batches(ctx context.Context, before string, limit int) ([]jobs.Batch, error) {
	page, err := s.Store.Batches(ctx, before, limit)
	for i := range page {
		page[i] = shieldBatch(page[i])
	}
	return page, err
}

// Job implements Store.
func (s shieldedStore) Job(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	j, err := s.Store.Job(ctx, id)
	return shieldJob(j), err
}

// Search implements Store. A hidden text cannot be found.
func (s shieldedStore) Search(ctx context.Context, f jobs.JobSearch) ([]jobs.Job, jobs.ID, error) {
	f.Shielded = true
	values := slices.AppendSeq(slices.Clone(f.Tags), maps.Values(f.Metadata))
	isHidden := slices.ContainsFunc(values, func(value string) bool { return hideCredentials(value) != value })
	for name := range f.Metadata {
		isHidden = isHidden || parameter.IsSecret(name)
	}
	if isHidden {
		return nil, jobs.ID{}, nil
	}
	page, next, err := s.Store.Search(ctx, f)
	for i := range page {
		page[i] = shieldJob(page[i])
	}
	return page, next, err
}

// Rows implements Store.
func (s shieldedStore) Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error) {
	b, err := s.Store.Batch(ctx, batch)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.Rows(ctx, batch, after, limit)
	secret := csvfile.SecretColumns(b.Columns)
	for i := range rows {
		rows[i].Job = shieldJob(rows[i].Job)
		shieldCells(rows[i].Cells, secret)
		if rows[i].Original != nil {
			original := shieldJob(*rows[i].Original)
			shieldCells(original.Cells, secret)
			rows[i].Original = &original
		}
	}
	return rows, err
}

// Delivery implements Store. It drops a body that is not JSON, which no response
// contains.
func (s shieldedStore) Delivery(ctx context.Context, seq int64) (jobs.KeptDelivery, error) {
	d, err := s.Store.Delivery(ctx, seq)
	d.ImageURL, d.Error = hideCredentials(d.ImageURL), hideCredentials(d.Error)
	exact := json.NewDecoder(bytes.NewReader(d.Body))
	exact.UseNumber()
	var body any
	if exact.Decode(&body) != nil {
		d.Body = nil
		return d, err
	}
	d.Body, _ = json.Marshal(shieldValue(body)) // it was decoded from JSON
	return d, err
}
