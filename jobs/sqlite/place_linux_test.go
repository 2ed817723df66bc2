package sqlite

import (
	"strings"
	"testing"
)

func TestAFileNumberNamesItsFileSystem(t *testing.T) {
	t.Parallel()
	var systems []string
	for _, path := range []string{t.TempDir(), "/proc/version"} {
		number, err := fileNumber(path)
		must(t, err)
		_, system, found := strings.Cut(number, " of ")
		if !found {
			t.Fatalf("%s has the number %q", path, number)
		}
		systems = append(systems, system)
	}
	if systems[0] == systems[1] {
		t.Errorf("files of two file systems have the number of one: %s", systems[0])
	}
}
