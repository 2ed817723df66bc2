package csvfile_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"shotline/jobs/csvfile"
)

// sumWidths reads all rows and returns their number and the sum of the widths.
func sumWidths(t *testing.T, r *csvfile.Reader) (rows int, widths float64) {
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

// An input is read again only if a column has the name of a parameter.
func TestInputsThatAreReadTwice(t *testing.T) {
	row := "https://a.test/" + strings.Repeat("x", 500)
	for _, test := range []struct {
		name, text string
		widths     float64
		rewound    int
	}{
		{"a parameter", "url,width\n" + strings.Repeat(row+",800\n", 2000), 2000 * 800, 1},
		{"the first row decides", "url,width\n" + row + ",narrow\n" + strings.Repeat(row+",800\n", 1999), 0, 1},
		{"the last row decides", "url,width\n" + strings.Repeat(row+",800\n", 1999) + row + ",narrow\n", 0, 1},
		{"a list", strings.Repeat(row+"\n", 2000), 0, 0},
	} {
		source := &rewinder{begin: func() io.Reader { return strings.NewReader(test.text) }}
		r, err := csvfile.Open(source, csvfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if rows, widths := sumWidths(t, r); rows != 2000 || widths != test.widths || source.rewound != test.rewound {
			t.Errorf("%s: %d rows, the widths %v, read again %d times; want 2000, %v and %d", test.name, rows, widths, source.rewound, test.widths, test.rewound)
		}
	}
}

// An error of the source in the middle is returned by Next, at the row where it
// occurred.
func TestReadErrorDuringTheFirstPass(t *testing.T) {
	broken := errors.New("broken")
	r, err := csvfile.Open(&rewinder{begin: func() io.Reader {
		return io.MultiReader(strings.NewReader("url,width\na.test,800\nb.te"), iotest.ErrReader(broken))
	}}, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if request, err := r.Next(); err != nil || request.Params["width"] != 800.0 {
		t.Errorf("first row: %+v, %v", request, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("second row: %v, want the read error at line 3", err)
	}
}
