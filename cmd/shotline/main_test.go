package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"shotline/client/sandbox"
)

// TestMain runs several tests at the same time even on machines with few CPUs,
// because their processes mostly wait for each other: fewer with the race detector,
// with which they compute more. A -parallel flag on the command line takes
// precedence.
func TestMain(m *testing.M) {
	parallel := "8"
	if raceDetector {
		parallel = "4"
	}
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	testscript.Main(tests{m}, map[string]func(){"shotline": main})
}

// tests deletes what plainProgram has built when all tests have ended.
type tests struct{ *testing.M }

func (ts tests) Run() int {
	defer func() { _ = os.RemoveAll(plainFolder) }()
	return ts.M.Run()
}

// TestCommands runs the scripts of testdata/cli. Each reads like a page of the
// manual. Their processes communicate over loopback.
//
// Processes take five times as long to start with the race detector, so it is left
// out of the commands of exits 2 and until. They end at their first error, or only
// read.
func TestCommands(t *testing.T) {
	t.Parallel()
	plain := ""
	if raceDetector {
		plain = plainProgram(t)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/cli",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(4 * time.Minute),
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"SANDBOX", "HOOKS", "FREE", "API"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			root, err := os.Getwd()
			if err != nil {
				return err
			}
			env.Setenv("TESTDATA", root+"/../../testdata")
			env.Setenv("WEBHOOK_SECRET", "s3cret")
			env.Setenv("SHOTLINE_API_LISTEN", "") // scripts that need the API set its address
			// Otherwise the race detector delays the end of each process by a second.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Values[plainKey{}] = plain
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"answer":  answer,
			"batchid": batchID,
			"ended":   ended,
			"until":   until,
		},
	})
}

// plainKey is the key of the program without the race detector in the values of a
// script.
type plainKey struct{}

// plainly returns the program for a command of a script that needs no race
// detector.
func plainly(ts *testscript.TestScript, command string) string {
	if plain, _ := ts.Value(plainKey{}).(string); command == "shotline" && plain != "" {
		return plain
	}
	return command
}

// freeAddress returns a loopback address with a port that is not in use.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exits runs a command and checks its exit code: exits 3 shotline wait B.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	command := args[1]
	if want == exitUsage {
		command = plainly(ts, command)
	}
	err = ts.Exec(command, args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// batchID sets BATCH to the id of the newest batch in the saved output of list
// --json.
func batchID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: batchid file")
	}
	var b struct {
		ID string `json:"batch_id"`
	}
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile(args[0]))).Decode(&b))
	ts.Setenv("BATCH", b.ID)
}

// until repeats a command until its output matches a pattern: until 'pending +3'
// shotline status B. With ! it waits until the output does not match.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until pattern command [args]")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		err := ts.Exec(plainly(ts, args[1]), args[2:]...)
		if printed := ts.ReadFile("stdout"); pattern.MatchString(printed) != neg {
			return
		} else if clock.Sleep(ctx, 50*time.Millisecond) != nil {
			ts.Fatalf("timeout waiting for %q, last output (%v):\n%s", args[0], err, printed)
		}
	}
}

// ended waits until a number of screenshots have ended in a sandbox.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ended number address")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	defer http.DefaultClient.CloseIdleConnections()
	for {
		response, err := http.Get("http://" + args[1] + "/sandbox/ledger?key=" + sandbox.DefaultAPIKey)
		ts.Check(err)
		var ledger sandbox.Ledger
		err = json.NewDecoder(response.Body).Decode(&ledger)
		ts.Check(errors.Join(err, response.Body.Close()))
		n := 0
		for _, create := range ledger.Creates {
			if create.FinishedAt != "" {
				n++
			}
		}
		if n == want {
			return
		}
		if clock.Sleep(ctx, 10*time.Millisecond) != nil {
			ts.Fatalf("%d screenshots have ended, want %d", n, want)
		}
	}
}

// answer waits until a process accepts connections at an address.
func answer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answer address")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", args[0])
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		if clock.Sleep(ctx, 10*time.Millisecond) != nil {
			ts.Fatalf("no process listens on %s: %v", args[0], err)
		}
	}
}
