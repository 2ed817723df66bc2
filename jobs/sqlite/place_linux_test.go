package sqlite

import (
	"strings"
	"testing"
)

func TestFileNumberIncludesFileSystem(t *testing.T) {
	t.Parallel()
	var systems []string
	for _, path := range []string{t.TempDir(), "/proc/version"} {
		number, err := fileNumber(path)
		must(t, err)
		_, system, found := strings.Cut(number, " of ")
		if !found {
			t.Fatalf("the number of %s has no file system: %q", path, number)
		}
		systems = append(systems, system)
	}
	if systems[0] == systems[1] {
		t.Errorf("two file systems have the same id: %s", systems[0])
	}
}
