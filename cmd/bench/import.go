package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	importRows  = 1_000_000
	importFew   = 10_000
	importTurns = 3
)

// measureImport measures how long a large file takes to become queued jobs,
// compared with the sqlite3 command that imports its rows into a bare table. It
// also measures whether memory grows with the file.
func measureImport(ctx context.Context, b *bench) ([]figure, error) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		return nil, fmt.Errorf("find sqlite3, with which an import is compared: %w: install it", err)
	}
	many, few := filepath.Join(b.folder, "many.csv"), filepath.Join(b.folder, "few.csv")
	if err := errors.Join(writeCSV(many, importRows), writeCSV(few, importFew)); err != nil {
		return nil, err
	}
	var bare, large, small []commandRun
	for range importTurns {
		for _, turn := range []struct {
			runs *[]commandRun
			run  func() (commandRun, error)
		}{
			{&bare, func() (commandRun, error) { return b.importBare(ctx, many, importRows) }},
			{&large, func() (commandRun, error) { return b.importJobs(ctx, many, importRows) }},
			{&small, func() (commandRun, error) { return b.importJobs(ctx, few, importFew) }},
		} {
			r, err := turn.run()
			if err != nil {
				return nil, err
			}
			*turn.runs = append(*turn.runs, r)
		}
	}
	const what, bareName = "1,000,000 rows into queued jobs", "sqlite3 .import"
	jobs, rows := sorted(large).at(0.5)/1000, sorted(bare).at(0.5)/1000
	figures := []figure{
		{What: what, Value: jobs / rows, Unit: "× " + bareName, Target: atMost(8),
			From: fmt.Sprintf("%.1f s against %.1f s, medians of %d", jobs, rows, importTurns)},
		{What: what, Value: importRows / jobs / 1000, Unit: "k rows/s"},
	}
	most, least := peak(large), peak(small)
	if least == 0 {
		return figures, nil // not on Linux
	}
	return append(figures, figure{What: "peak memory of that", Value: most / least, Unit: "× that of 10,000 rows", Target: atMost(1.3),
		From: fmt.Sprintf("%.0f MB against %.0f MB, medians of %d", most, least, importTurns)}), nil
}

// writeCSV writes a CSV file with about 100 bytes per row.
func writeCSV(file string, rows int) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	fmt.Fprintln(out, "url,sku,title")
	for row := 1; row <= rows; row++ {
		fmt.Fprintf(out, "https://shop.test/products/%d?utm_source=feed,SKU-%08d,\"Chair no. %d, oak, for the dining room\"\n", row, row, row)
	}
	return out.Flush()
}

// importJobs submits a file into a database of its own, while no serve runs.
func (b *bench) importJobs(ctx context.Context, file string, rows int) (commandRun, error) {
	database := b.database("import")
	defer removeDatabase(database)
	r, err := command(ctx, b.program, "submit", "--db", database, "--json", file)
	if err != nil {
		return r, err
	}
	var printed struct{ Rows, Accepted int }
	if err := json.Unmarshal(r.out, &printed); err != nil {
		return r, fmt.Errorf("submit printed %q: %w", r.out, err)
	}
	if printed.Rows != rows || printed.Accepted != rows {
		return r, fmt.Errorf("submit read %d rows and accepted %d, want %d", printed.Rows, printed.Accepted, rows)
	}
	return r, nil
}

// importBare imports a file into a bare table with the sqlite3 command.
func (b *bench) importBare(ctx context.Context, file string, rows int) (commandRun, error) {
	database := b.database("bare")
	defer removeDatabase(database)
	r, err := command(ctx, "sqlite3", database, fmt.Sprintf(".import --csv %q rows", file))
	if err != nil {
		return r, err
	}
	counted, err := command(ctx, "sqlite3", database, "SELECT count(*) FROM rows")
	if err != nil {
		return r, err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(counted.out))); err != nil || n != rows {
		return r, fmt.Errorf("sqlite3 imported %q rows, want %d", counted.out, rows)
	}
	return r, nil
}

// removeDatabase frees space for the next database. It ignores errors, because
// the folder is removed at the end.
func removeDatabase(database string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(database + suffix)
	}
}
