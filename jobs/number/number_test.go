package number

import "testing"

func TestOf(t *testing.T) {
	for _, test := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "row", "0 rows"}, {1, "row", "1 row"}, {2, "row", "2 rows"}, {-1, "row", "-1 rows"},
		{1, "delivery", "1 delivery"}, {1000, "delivery", "1,000 deliveries"},
		{1, "batch", "1 batch"}, {-123456, "batch", "-123,456 batches"}, {1234567, "file", "1,234,567 files"},
	} {
		if got := Of(test.n, test.noun); got != test.want {
			t.Errorf("Of(%d, %q) = %q, want %q", test.n, test.noun, got, test.want)
		}
	}
}
