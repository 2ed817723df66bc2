package simulation

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	// root is the module's, as seen from here.
	root = "../.."
	// plantedSeeds is within how many seeds a planted bug has to be caught.
	plantedSeeds = 200
	// controlSeeds are played with nothing planted: more than most bugs need.
	// TestSeeds plays all.
	controlSeeds = 40
)

// tried is how many of the planted bugs a plain run tries: a build for each of
// all takes minutes.
var tried = flag.Int("bugs", 8, "how many planted bugs are tried, evenly spread among those that few seeds catch; 0: all")

// fewSeeds is how many seeds catch a bug that a plain run may try.
const fewSeeds = 15

// broken is how a seed says that it broke a promise.
var broken = regexp.MustCompile(`seed (\d+) breaks (P\d+): (.*)`)

// violation is what the seeds made of a planted bug.
type violation struct {
	seed          int
	promise, what string
}

// buildWith builds the simulation's test binary with another text in place of
// one file's. The file itself stays as it is.
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

// firstViolation plays seeds until one breaks a promise; nil when none does.
func firstViolation(t *testing.T, binary string, seeds int) *violation {
	t.Helper()
	run := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.timeout", "15m", "-seeds", strconv.Itoa(seeds), "-stop")
	out, err := run.CombinedOutput()
	if err == nil {
		return nil
	}
	if run.ProcessState.ExitCode() != 1 || strings.Contains(string(out), "panic:") {
		t.Fatalf("the seeds came to no end: %v\n%s", err, out[max(0, len(out)-4000):])
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

// TestPlantedBugs checks the checker: the same seeds that the code stands break
// a promise once a bug is in it.
func TestPlantedBugs(t *testing.T) {
	for _, planted := range bugs {
		if n := strings.Count(read(t, planted.file), planted.from); n != 1 {
			t.Errorf("%s: what it replaces stands %d times in %s, not once:\n%s", planted.name, n, planted.file, planted.from)
		}
	}
	if testing.Short() {
		t.Skip("builds the simulation once for each bug")
	}
	slots := make(chan struct{}, 2) // a build and its seeds take all cores
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		slots <- struct{}{}
		defer func() { <-slots }()
		file := bugs[0].file
		if caught := firstViolation(t, buildWith(t, file, read(t, file)), controlSeeds); caught != nil {
			t.Errorf("without a bug seed %d breaks %s: %s", caught.seed, caught.promise, caught.what)
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
				t.Fatalf("%d seeds do not catch it", plantedSeeds)
			}
			t.Logf("seed %d breaks %s: %s", caught.seed, caught.promise, caught.what)
			if !strings.Contains(planted.promise, caught.promise) {
				t.Errorf("seed %d breaks %s, want %s: %s", caught.seed, caught.promise, planted.promise, caught.what)
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

// TestDocListsBugs holds the package comment's list to the table: the names in
// their order, each behind its promise and the seed that first caught it.
func TestDocListsBugs(t *testing.T) {
	for i, listed := range listedBugs(t) {
		planted := bugs[i]
		if listed.promise != planted.promise || listed.what != planted.name || listed.seed < 1 || listed.seed > plantedSeeds {
			t.Errorf("doc.go lists %+v, want seed, promise and name of %q, %s", listed, planted.name, planted.promise)
		}
	}
}

// listedBugs reads the list of the package comment, which has as many lines as
// there are bugs.
func listedBugs(t *testing.T) (listed []violation) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^//\t *(\d+)  (P\d(?:, P\d)*) +(.*)$`)
	for _, parts := range line.FindAllStringSubmatch(read(t, "orchestrator/simulation/doc.go"), -1) {
		seed, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, violation{seed: seed, promise: parts[2], what: parts[3]})
	}
	if len(listed) != len(bugs) {
		t.Fatalf("doc.go lists %d bugs, there are %d", len(listed), len(bugs))
	}
	return listed
}
