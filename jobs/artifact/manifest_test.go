package artifact

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

func openTestManifest(t *testing.T, f *Folder) *Manifest {
	t.Helper()
	m, err := OpenManifest(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// savedEntry returns an entry of a saved image.
func savedEntry(row int64, shot int, file string) Entry {
	id := jobs.ID{Batch: "b1", Row: row}
	return NewEntry(jobs.Job{ID: id, Line: int(row) + 1, URL: "https://a.test/?a=1&b=<2>"}, jobs.File{
		Job: id, Output: jobs.OutputImage, Shot: shot, Attempt: 1, Screenshot: fmt.Sprint(row), Name: file, State: jobs.FileSaved,
		Size: 7, Type: "image/png", SavedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
}

func appendEntries(t *testing.T, m *Manifest, entries ...Entry) {
	t.Helper()
	if err := m.Append(entries); err != nil {
		t.Fatal(err)
	}
}

func allEntries(t *testing.T, m *Manifest) (all []Entry) {
	t.Helper()
	if err := m.Entries(func(e Entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestManifestSurvives checks that entries are there after the manifest is opened
// again, with and without Finish, that the last one of a file is valid, and that
// the files of the manifest have one sorted entry per file.
func TestManifestSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openTestFolder(t, dir)
	m := openTestManifest(t, f)
	failed := savedEntry(3, 1, "")
	failed.State, failed.File, failed.Bytes, failed.Type, failed.Error = jobs.FileGone, "", 0, "", "=the vendor has no image"
	appendEntries(t, m, savedEntry(12, 1, "l.png"), savedEntry(2, 2, "b-2.png"))
	appendEntries(t, m, failed, savedEntry(2, 1, "old.png"))
	appendEntries(t, m, savedEntry(2, 1, "b.png"))
	want := []Entry{savedEntry(2, 1, "b.png"), savedEntry(2, 2, "b-2.png"), failed, savedEntry(12, 1, "l.png")}

	if _, err := OpenManifest(f); !errors.Is(err, ErrLocked) {
		t.Errorf("the manifest was opened twice: %v", err)
	}
	for _, finish := range []bool{false, true, true} {
		if diff := cmp.Diff(want, allEntries(t, m)); diff != "" {
			t.Errorf("finish %v: wrong entries:\n%s", finish, diff)
		}
		if finish {
			if err := m.Finish(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = openTestManifest(t, f)
	}
	if _, found, err := m.Entry(jobs.ID{Batch: "b1", Row: 9}, jobs.OutputImage, 1); found || err != nil {
		t.Errorf("an entry that does not exist: found %v, error %v", found, err)
	}
	if e, found, err := m.Entry(jobs.ID{Batch: "b1", Row: 12}, jobs.OutputImage, 1); !found || err != nil || e.File != "l.png" {
		t.Errorf("got entry %+v, found %v, error %v", e, found, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}

	lines, err := os.ReadFile(filepath.Join(dir, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(lines), "\n")
	if want := `{"job":"b1-2","row":2,"line":3,"url":"https://a.test/?a=1&b=<2>","output":"image","shot":1,"file":"b.png","bytes":7,` +
		`"type":"image/png","screenshot":"2","attempt":1,"state":"saved","saved_at":"2026-01-02T03:04:05Z"}`; first != want {
		t.Errorf("got line\n%s, want\n%s", first, want)
	}
	table, err := os.ReadFile(filepath.Join(dir, ManifestTableName))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(table, []byte(byteOrderMark)))).ReadAll()
	if err != nil || len(cells) != 5 {
		t.Fatalf("got table %q (%v)", cells, err)
	}
	if want := []string{"b1-3", "3", "4", "https://a.test/?a=1&b=<2>", "image", "1", "", "", "", "3", "1", "gone", "'=the vendor has no image"}; !cmp.Equal(cells[3], want) {
		t.Errorf("got row %q, want %q", cells[3], want)
	}
}

// TestManifestClaims checks that names are unique without regard to case, also
// after the manifest is opened again.
func TestManifestClaims(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, t.TempDir())
	m := openTestManifest(t, f)
	file := func(row int64) jobs.File {
		return jobs.File{Job: jobs.ID{Batch: "b1", Row: row}, Output: jobs.OutputImage, Shot: 1}
	}
	claim := func(name string, row int64, want bool) {
		t.Helper()
		if got, err := m.Claim(name, file(row)); got != want || err != nil {
			t.Errorf("row %d claims %s: got %v (%v)", row, name, got, err)
		}
	}
	claim("Über.png", 1, true)
	claim("über.PNG", 2, false)
	claim("über.png", 1, true)
	appendEntries(t, m, savedEntry(1, 1, "über.png"))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = openTestManifest(t, f)
	claim("ÜBER.png", 2, false)
	claim("ÜBER.png", 1, true)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestManifestReopens checks that a manifest is read again only if another process
// has changed it, and that claims without an entry end with Close.
func TestManifestReopens(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, t.TempDir())
	m := openTestManifest(t, f)
	reopen := func(change func(other *Manifest), wantRead bool) {
		t.Helper()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			other := openTestManifest(t, f)
			change(other)
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Reopen(); err != nil {
			t.Fatal(err)
		}
		if m.read != wantRead {
			t.Errorf("it was read: %v, want %v", m.read, wantRead)
		}
	}
	claim := func(name string, row int64, want bool) {
		t.Helper()
		if got, err := m.Claim(name, jobs.File{Job: jobs.ID{Batch: "b1", Row: row}, Output: jobs.OutputImage, Shot: 1}); got != want || err != nil {
			t.Errorf("row %d claims %s: got %v (%v)", row, name, got, err)
		}
	}
	claim("a.png", 1, true)
	appendEntries(t, m, savedEntry(1, 1, "a.png"))
	claim("c.png", 3, true)
	reopen(nil, true)
	claim("a.png", 2, false)
	claim("c.png", 4, true)
	appendEntries(t, m, savedEntry(4, 1, "c.png"))
	reopen(func(other *Manifest) { appendEntries(t, other, savedEntry(2, 1, "b.png")) }, false)
	claim("b.png", 5, false)
	claim("a.png", 5, false)
	reopen(func(other *Manifest) {
		if err := other.Finish(); err != nil {
			t.Fatal(err)
		}
	}, false)
	claim("c.png", 5, false)
	if e, found, err := m.Entry(jobs.ID{Batch: "b1", Row: 4}, jobs.OutputImage, 1); !found || err != nil || e.File != "c.png" {
		t.Errorf("got entry %+v, found %v, error %v", e, found, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	held := openTestManifest(t, f)
	if err := m.Reopen(); !errors.Is(err, ErrLocked) {
		t.Errorf("it was opened twice: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Reopen(); err != nil || !m.read {
		t.Errorf("after the other process: read %v, error %v", m.read, err)
	}
	claim("b.png", 5, false)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestManifestAfterCrash checks that an incomplete last line is removed, and that a
// damaged line or another file is refused and not changed.
func TestManifestAfterCrash(t *testing.T) {
	t.Parallel()
	whole, err := json.Marshal(savedEntry(1, 1, "a.png"))
	if err != nil {
		t.Fatal(err)
	}
	line := string(whole) + "\n"
	for name, test := range map[string]struct {
		text    string
		entries int
		err     string
	}{
		"empty":            {"", 0, ""},
		"whole":            {line, 1, ""},
		"cut":              {line + line[:40], 1, ""},
		"cut at the end":   {line + line[:len(line)-1], 1, ""},
		"zeros at the end": {line + strings.Repeat("\x00", 100), 1, ""},
		"only a cut line":  {line[:40], 0, ""},
		"damaged":          {line + "{\"job\":\n" + line, 0, "line 2 is not an entry"},
		"cut twice":        {line + line[:40] + "\n" + line[:40], 1, ""},
		"other file":       {"notes\n", 0, "it is not a manifest"},
		"other line":       {"{\"a\":1}", 0, "it is not a manifest"},
		"long manifest":    {strings.Repeat(line, 1000) + line[:40], 1, ""},
		"other JSON":       {"{\"a\":1}\n{\"b\":2}\n", 0, "it is not a manifest"},
		"long line":        {line + strings.Repeat("x", maxEntry+1), 0, "its last line is too long"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, ManifestName)
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		folder := openTestFolder(t, dir)
		if strings.HasPrefix(name, "cut") || name == "long manifest" {
			extended, err := ExtendManifest(folder)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			appendEntries(t, extended, savedEntry(2, 1, "b.png")) // replaced by the same entry below
			if err := extended.Close(); err != nil {
				t.Fatal(err)
			}
		}
		m, err := OpenManifest(folder)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: got error %v, want %q", name, err, test.err)
			}
			if text, _ := os.ReadFile(path); string(text) != test.text {
				t.Errorf("%s: the file was changed", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		appendEntries(t, m, savedEntry(2, 1, "b.png"))
		if got := len(allEntries(t, m)); got != test.entries+1 {
			t.Errorf("%s: %d entries, want %d", name, got, test.entries+1)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEntriesThatAreRefused checks lines that lead out of the folder, or whose key
// would be that of another file.
func TestEntriesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Entry){
		"nothing":        func(*Entry) {},
		"no file":        func(e *Entry) { e.File = "" },
		"above":          func(e *Entry) { e.File = "../x.png" },
		"absolute":       func(e *Entry) { e.File = "/x.png" },
		"unknown output": func(e *Entry) { e.Output = "sound" },
		"no row":         func(e *Entry) { e.Job.Row = 0 },
		"row too large":  func(e *Entry) { e.Job.Row = 1 << 32 },
		"largest row":    func(e *Entry) { e.Job.Row = 1<<32 - 1 },
		"no shot":        func(e *Entry) { e.Shot = 0 },
		"shot too large": func(e *Entry) { e.Shot = 1 << 10 },
		"largest shot":   func(e *Entry) { e.Shot = 1<<10 - 1 },
	} {
		e := savedEntry(1, 1, "a.png")
		change(&e)
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		valid := name == "nothing" || name == "no file" || strings.HasPrefix(name, "largest")
		if _, got := parseEntry(append(line, '\n')); got != valid {
			t.Errorf("%s: accepted is %v", name, got)
		}
	}
}

// FuzzManifest checks that a manifest of any content is either refused or can be
// continued.
func FuzzManifest(f *testing.F) {
	whole, err := json.Marshal(savedEntry(1, 1, "a.png"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", string(whole), string(whole) + "\n{", "\x00", "{}\n", "null\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ManifestName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		folder := openTestFolder(t, dir)
		m, err := OpenManifest(folder)
		if err != nil {
			return
		}
		before := len(allEntries(t, m))
		appendEntries(t, m, savedEntry(1<<31, 1, "z.png"))
		if err := errors.Join(m.Finish(), m.Close()); err != nil {
			t.Fatal(err)
		}
		again := openTestManifest(t, folder)
		if got := len(allEntries(t, again)); got < before || got > before+1 {
			t.Errorf("%d entries, %d before", got, before)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
}
