package csvfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"shotline/jobs/csvfile"
)

// onlyReader hides the other methods of a reader.
type onlyReader struct{ io.Reader }

// countRows reads all rows and returns their number and the sum of the widths.
func countRows(t *testing.T, r *csvfile.Reader) (rows int, widths float64) {
	t.Helper()
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, widths
		}
		if err != nil || request.Reject != "" {
			t.Fatal(err, request.Reject)
		}
		width, _ := request.Params["width"].(float64)
		rows, widths = rows+1, widths+width
	}
}

// TestInputsThatAreReadTwice checks that seekable and other inputs give the same
// rows, and that a copy is made only if it is necessary.
func TestInputsThatAreReadTwice(t *testing.T) {
	row := "https://a.test/" + strings.Repeat("x", 500)
	table := "url,width\n" + strings.Repeat(row+",800\n", 2000)
	own := "url,width\n" + row + ",narrow\n" + strings.Repeat(row+",800\n", 1999)
	list := strings.Repeat(row+"\n", 2000)
	file := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(file, []byte("skip\n"+table), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if _, err := opened.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	pipe, writer := io.Pipe()
	go func() {
		_, err := io.Copy(writer, strings.NewReader(table))
		writer.CloseWithError(err)
	}()
	osPipe, osWriter, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer osPipe.Close()
	go func() {
		defer osWriter.Close()
		io.Copy(osWriter, strings.NewReader(table))
	}()
	none := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		name   string
		input  io.Reader
		temp   string
		widths float64
	}{
		{"seekable", strings.NewReader(table), none, 2000 * 800},
		{"file from its middle", opened, none, 2000 * 800},
		{"pipe of the process", osPipe, t.TempDir(), 2000 * 800},
		{"pipe", pipe, t.TempDir(), 2000 * 800},
		{"single bytes", iotest.OneByteReader(strings.NewReader(table)), t.TempDir(), 2000 * 800},
		{"decided by the first row", onlyReader{strings.NewReader(own)}, t.TempDir(), 0},
		{"no candidates", onlyReader{strings.NewReader(list)}, none, 0},
	} {
		r, err := csvfile.Open(test.input, csvfile.Options{TempDir: test.temp})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if rows, widths := countRows(t, r); rows != 2000 || widths != test.widths {
			t.Errorf("%s: %d rows and the widths %v, want 2000 and %v", test.name, rows, widths, test.widths)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.temp == none {
			continue
		}
		if left, err := os.ReadDir(test.temp); err != nil || len(left) > 0 {
			t.Errorf("%s: files remain after Close: %v %v", test.name, left, err)
		}
	}

	_, err = csvfile.Open(onlyReader{strings.NewReader(table)}, csvfile.Options{TempDir: none})
	if !errors.Is(err, csvfile.ErrCopy) {
		t.Errorf("without a folder for the copy: %v, want ErrCopy", err)
	}
}

// An error of the source in the middle is returned by Next, at the row where it
// occurred.
func TestReadErrorDuringTheFirstPass(t *testing.T) {
	broken := errors.New("broken")
	r, err := csvfile.Open(io.MultiReader(strings.NewReader("url,width\na.test,800\nb.te"), iotest.ErrReader(broken)), csvfile.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if request, err := r.Next(); err != nil || request.Params["width"] != 800.0 {
		t.Errorf("first row: %+v, %v", request, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("second row: %v, want the read error at line 3", err)
	}
}
