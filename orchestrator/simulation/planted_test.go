package simulation

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	// root is the root of the module, relative to this folder.
	root = "../.."
	// plantedSeeds is the number of seeds within which a planted bug must be
	// caught.
	plantedSeeds = 400
	// controlSeeds is the number of seeds that run without a bug if all bugs are
	// planted. Most bugs need fewer. The other seeds run in TestSeeds.
	controlSeeds = 40
)

// tried is how many planted bugs a plain run tries. A build for each bug would
// take minutes.
var tried = flag.Int("bugs", 5, "how many planted bugs to try, spread evenly among those that few seeds catch; 0 means all")

// fewSeeds limits the bugs that a plain run may try: this many seeds must catch
// them.
const fewSeeds = 15

// broken matches the line with which a seed reports a broken promise.
var broken = regexp.MustCompile(`seed (\d+) breaks (P\d+): (.*)`)

// violation is the violation that a planted bug caused.
type violation struct {
	seed          int
	promise, text string
}

// buildWith builds the test binary of the simulation with a different text for
// one file. It does not change the file itself.
func buildWith(t *testing.T, file, text string) (binary string) {
	t.Helper()
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	original, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: write("changed.go", []byte(text))}})
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(folder, "simulation.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-overlay", write("overlay.json", replace), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s does not compile: %v\n%s", file, err, out)
	}
	return binary
}

// firstViolation runs seeds until one breaks a promise. It returns nil if none
// does.
func firstViolation(t *testing.T, binary string, seeds int) *violation {
	t.Helper()
	run := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.timeout", "15m", "-seeds", strconv.Itoa(seeds), "-stop")
	out, err := run.CombinedOutput()
	if err == nil {
		return nil
	}
	if run.ProcessState.ExitCode() != 1 || strings.Contains(string(out), "panic:") {
		t.Fatalf("the seeds did not finish: %v\n%s", err, out[max(0, len(out)-4000):])
	}
	var caught *violation
	for _, match := range broken.FindAllStringSubmatch(string(out), -1) {
		seed, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		if caught == nil || seed < caught.seed {
			caught = &violation{seed, match[2], match[3]}
		}
	}
	if caught == nil {
		t.Fatalf("the seeds failed without a violation: %v\n%s", err, out)
	}
	return caught
}

// TestPlantedBugs tests the checker: seeds that pass must break a promise if a
// bug is planted.
func TestPlantedBugs(t *testing.T) {
	for _, planted := range bugs {
		if n := strings.Count(read(t, planted.file), planted.from); n != 1 {
			t.Errorf("%s: the text to replace occurs %d times in %s, want once:\n%s", planted.name, n, planted.file, planted.from)
		}
	}
	if testing.Short() {
		t.Skip("builds the simulation once for each bug")
	}
	slots := make(chan struct{}, 2) // a build and its seeds use all cores
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		slots <- struct{}{}
		defer func() { <-slots }()
		file, n := bugs[0].file, controlSeeds
		if *tried > 0 {
			n = fewSeeds
		}
		if caught := firstViolation(t, buildWith(t, file, read(t, file)), n); caught != nil {
			t.Errorf("without a bug seed %d breaks %s: %s", caught.seed, caught.promise, caught.text)
		}
	})
	for _, planted := range chosen(t, *tried) {
		t.Run(planted.name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			binary := buildWith(t, planted.file, strings.Replace(read(t, planted.file), planted.from, planted.to, 1))
			caught := firstViolation(t, binary, plantedSeeds)
			if caught == nil {
				t.Fatalf("%d seeds do not catch the bug", plantedSeeds)
			}
			t.Logf("seed %d breaks %s: %s", caught.seed, caught.promise, caught.text)
			if !slices.Contains(strings.Split(planted.promise, ", "), caught.promise) {
				t.Errorf("seed %d breaks %s, want %s: %s", caught.seed, caught.promise, planted.promise, caught.text)
			}
		})
	}
}

// chosen returns n bugs, or all if n is 0.
func chosen(t *testing.T, n int) []bug {
	if n == 0 {
		return bugs
	}
	var few, spread []bug
	for i, listed := range listedBugs(t) {
		if listed.seed <= fewSeeds {
			few = append(few, bugs[i])
		}
	}
	for i := range n {
		spread = append(spread, few[i*len(few)/n])
	}
	return spread
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocListsBugs checks that the list in the package comment agrees with the
// table of bugs: the same names in the same order, each with its promises and a
// seed.
func TestDocListsBugs(t *testing.T) {
	for i, listed := range listedBugs(t) {
		planted := bugs[i]
		if listed.promise != planted.promise || listed.text != planted.name || listed.seed < 1 || listed.seed > plantedSeeds {
			t.Errorf("doc.go lists %+v, want seed, promise and name of %q, %s", listed, planted.name, planted.promise)
		}
	}
}

// listedBugs parses the list in the package comment. The list must have as many
// lines as there are bugs.
func listedBugs(t *testing.T) (listed []violation) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^//\t *(\d+)  (P\d+(?:, P\d+)*) +(.*)$`)
	for _, parts := range line.FindAllStringSubmatch(read(t, "orchestrator/simulation/doc.go"), -1) {
		seed, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, violation{seed: seed, promise: parts[2], text: parts[3]})
	}
	if len(listed) != len(bugs) {
		t.Fatalf("doc.go lists %d bugs, there are %d", len(listed), len(bugs))
	}
	return listed
}
