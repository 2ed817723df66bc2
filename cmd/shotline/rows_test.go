package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs/sqlite"
)

// TestMaxRowsRefusesWholeInput checks that the error names row, line and limit,
// and that no row is stored.
func TestMaxRowsRefusesWholeInput(t *testing.T) {
	t.Parallel()
	db, file := filepath.Join(t.TempDir(), "rows.db"), filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("url\nhttps://a.test/1\nhttps://a.test/2\n\nhttps://a.test/3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args    []string
		code    int
		wantErr string
	}{
		{[]string{file, "--max-rows", "2"}, exitUsage, "rows.csv: import: bad input: row 3 (line 5): a batch has at most 2 rows"},
		{[]string{"https://a.test/1", "https://a.test/2", "--max-rows", "1"}, exitUsage, "row 2"},
		{[]string{file, "--max-rows", "0"}, exitUsage, "--max-rows 0: want a number above zero"},
		{[]string{file, "--max-rows", "3"}, exitOK, ""},
	} {
		var errs bytes.Buffer
		args := append([]string{"shotline", "submit", "--db", db}, test.args...)
		code := run(t.Context(), args, streams{in: strings.NewReader(""), out: new(bytes.Buffer), err: &errs})
		if code != test.code || !strings.Contains(errs.String(), test.wantErr) {
			t.Errorf("%q: exit code %d, stderr %q, want %d and %q", test.args, code, &errs, test.code, test.wantErr)
		}
	}
	store, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if list, err := store.Batches(t.Context(), "", 10); err != nil || len(list) != 1 || list[0].Counts.Rows != 3 {
		t.Errorf("got batches %v (%v), want one with 3 rows", list, err)
	}
}
