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

// measureImport is a large file into queued jobs, against the sqlite3 command
// that puts its rows into a bare table; and whether memory grows with the file.
func measureImport(ctx context.Context, b *bench) ([]figure, error) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		return nil, fmt.Errorf("the sqlite3 command is what an import is compared with, install it: %w", err)
	}
	many, few := filepath.Join(b.folder, "many.csv"), filepath.Join(b.folder, "few.csv")
	if err := errors.Join(writeCSV(many, importRows), writeCSV(few, importFew)); err != nil {
		return nil, err
	}
	var bare, large, small []ran
	for range importTurns {
		for _, turn := range []struct {
			runs *[]ran
			run  func() (ran, error)
		}{
			{&bare, func() (ran, error) { return b.importBare(ctx, many, importRows) }},
			{&large, func() (ran, error) { return b.importJobs(ctx, many, importRows) }},
			{&small, func() (ran, error) { return b.importJobs(ctx, few, importFew) }},
		} {
			r, err := turn.run()
			if err != nil {
				return nil, err
			}
			*turn.runs = append(*turn.runs, r)
		}
	}
	const what, alone = "1,000,000 rows into queued jobs", "sqlite3 .import"
	jobs, rows := sorted(large).at(0.5)/1000, sorted(bare).at(0.5)/1000
	figures := []figure{
		{What: what, Value: jobs / rows, Unit: "× " + alone, Target: atMost(8),
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

// writeCSV makes a file of a plain kind, with some 100 bytes a row.
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

// importJobs submits a file into a database of its own, beside which no serve runs.
func (b *bench) importJobs(ctx context.Context, file string, rows int) (ran, error) {
	database := b.database("import")
	defer removeDatabase(database)
	r, err := command(ctx, b.program, "submit", "--db", database, "--json", file)
	if err != nil {
		return r, err
	}
	var told struct{ Rows, Accepted int }
	if err := json.Unmarshal(r.out, &told); err != nil {
		return r, fmt.Errorf("submit printed %q: %w", r.out, err)
	}
	if told.Rows != rows || told.Accepted != rows {
		return r, fmt.Errorf("of %d rows submit read %d and accepted %d", rows, told.Rows, told.Accepted)
	}
	return r, nil
}

// importBare has the sqlite3 command do it.
func (b *bench) importBare(ctx context.Context, file string, rows int) (ran, error) {
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
		return r, fmt.Errorf("of %d rows sqlite3 kept %q", rows, counted.out)
	}
	return r, nil
}

// removeDatabase makes room for the next; what stays goes with the folder.
func removeDatabase(database string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(database + suffix)
	}
}
