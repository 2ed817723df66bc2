package main

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// invoke runs a command line. It returns the exit code, standard output and
// standard error.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"shotline"}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

func TestUnusableDatabases(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statements []string
		wantErr    string
	}{
		"locked by another program":   {[]string{"BEGIN EXCLUSIVE"}, "locked"},
		"written by a newer version":  {[]string{"INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"}, "newer version"},
		"database of another program": {[]string{"PRAGMA application_id = 42"}, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the first one waits for the lock for seconds
			path := filepath.Join(t.TempDir(), "a.db")
			if code, _, stderr := invoke(t, "submit", "https://a.test/", "--db", path); code != exitOK {
				t.Fatal(stderr)
			}
			db, err := sql.Open("sqlite3", "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(1)
			for _, statement := range test.statements {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			code, stdout, stderr := invoke(t, "submit", "https://b.test/", "--db", path)
			if code != exitFailed || !strings.Contains(stderr, test.wantErr) || stdout != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, exitFailed, test.wantErr)
			}
		})
	}
}

// TestReconcileReportsDamageOnce checks that the error appears once, although
// every step of the pass encounters it.
func TestReconcileReportsDamageOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	if code, _, stderr := invoke(t, "submit", "https://a.test/", "--db", path); code != exitOK {
		t.Fatal(stderr)
	}
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]int64{"jobs": 0, "submissions_doubt": 0, "inbox": 0}
	var size int64
	err = db.QueryRow(`PRAGMA page_size`).Scan(&size)
	for name := range pages {
		var page int64
		err = errors.Join(err, db.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = ?`, name).Scan(&page))
		pages[name] = page
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		_, failed := f.WriteAt(bytes.Repeat([]byte{0xff}, int(size)), (page-1)*size)
		err = errors.Join(err, failed)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "reconcile", "--db", path)
	if code != exitFailed || stdout != "" || strings.Count(stderr, "cannot be used") != 1 {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestURLOfAnotherDatabaseIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	const url = "postgres://me:hunter2@db.test/shots"
	if err := os.WriteFile("in.csv", []byte("url\nhttps://a.test/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	work := []string{"--api-key", "k", "--webhook-secret", "s", "--db", url}
	for _, args := range [][]string{
		{"submit", "https://a.test/", "--db", url},
		append([]string{"run", "in.csv"}, work...),
		append([]string{"serve"}, work...),
		{"status", "b1", "--db", url},
		{"list", "--db", "SQLite+v2://a"},
		{"backup", "a.backup", "--db", url},
		{"reconcile", "--db", url},
	} {
		code, stdout, message := invoke(t, args...)
		if code != exitUsage || stdout != "" || !strings.Contains(message, "--db ") || !strings.Contains(message, "only a SQLite file is supported") {
			t.Errorf("%v: exit code %d, output %q, error %q; want %d and an error about --db", args, code, stdout, message, exitUsage)
		}
		if strings.Contains(message, "hunter2") {
			t.Errorf("%v: the error contains the password: %s", args, message)
		}
	}
	found, err := filepath.Glob("*")
	if err != nil || len(found) != 1 {
		t.Errorf("files after the commands: %v, %v; want only in.csv", found, err)
	}
}
