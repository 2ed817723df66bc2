package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// twoBatches writes a database with two batches, and returns their ids, the newest
// first.
func twoBatches(t *testing.T, database string) [2]string {
	t.Helper()
	var ids [2]string
	for i := range ids {
		code, stdout, stderr := invoke(t, "submit", "https://a.test/", "https://b.test/", "--db", database)
		fields := strings.Fields(stdout)
		if code != exitOK || len(fields) < 2 {
			t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
		ids[1-i] = strings.TrimSuffix(fields[1], ":")
	}
	return ids
}

// TestCandidates checks what the last word of a command line can become.
func TestCandidates(t *testing.T) {
	folder := t.TempDir()
	database, config := filepath.Join(folder, "a.db"), filepath.Join(folder, "c.yaml")
	if err := os.WriteFile(config, []byte("db: "+database+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := twoBatches(t, database)
	newest := ids[0] + " " + ids[1]
	t.Setenv("SHOTLINE_DB", "")
	for line, want := range map[string]string{
		"sta":                    "status",
		"status --js":            "--json",
		"--v":                    "--version",
		"sandbox --fau":          "--fault",
		"list --state f":         "failed",
		"list --state = f":       "failed", // as bash splits --state=f
		"list --state =":         "queued submitting pending done failed timed_out canceled rejected duplicate",
		"list --state=t":         "--state=timed_out",
		"retry B --state ":       "failed timed_out canceled",
		"callbacks --state d":    "delivered dead",
		"results B --format t":   "tsv",
		"summary --format t":     "text",
		"completion f":           "fish",
		"help sta":               "status",
		"callbacks re":           "replay",
		"submit ":                "", // files
		"submit --param ":        "",
		"backup ":                "",
		"nothing ":               "submit", // the command is not known yet
		"status --db DB ":        newest,
		"--db DB status ":        newest,
		"status --json --db=DB":  "", // a file
		"status --config C ":     newest,
		"submit --db DB --into ": newest,
		"run --db DB --batch ":   newest,
		"download --db DB " + ids[1] + " " + ids[0][:3]: ids[0],
		"status --db NONE ":                             "",
		"status --db C ":                                "", // not a database
		"status --db http://a ":                         "",
	} {
		line = strings.NewReplacer("DB", database, "NONE", database+"2", "--config C", "--config "+config, "--db C", "--db "+config).Replace(line)
		args := append([]string{"completion", "candidates", "--"}, strings.Split(line, " ")...)
		code, stdout, stderr := invoke(t, args...)
		var got []string
		for found := range strings.Lines(stdout) {
			name, _, _ := strings.Cut(found, "\t")
			got = append(got, name)
		}
		if want == "submit" && len(got) > 10 {
			got = got[:1]
		}
		if code != exitOK || stderr != "" || strings.Join(got, " ") != want {
			t.Errorf("%q: exit code %d, stderr %q, got %q, want %q", line, code, stderr, got, want)
		}
	}
	if _, err := os.Stat(database + "2"); err == nil {
		t.Error("the completion created a database")
	}
}

// TestFlagChoices checks that the values of flags belong to flags that exist.
func TestFlagChoices(t *testing.T) {
	commands := newApp(streams{}).Commands
	for name := range flagChoices {
		words := strings.Fields(name)
		flag, found := words[len(words)-1], false
		for _, command := range commands {
			found = found || findFlag(command.Flags, flag) != nil && (len(words) == 1 || words[0] == command.Name)
		}
		if !found {
			t.Errorf("there is no flag %s", name)
		}
	}
}

// TestCompletionScripts runs the scripts in their shells.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	database := filepath.Join(folder, "a.db")
	ids := twoBatches(t, database)
	if err := os.WriteFile(filepath.Join(folder, "only.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for shell, script := range map[string]string{
		"bash": `source <(shotline completion bash)
[[ $(complete -p shotline) == *"-F _shotline shotline" ]] || exit 1
for line in "sta" "status " "list --state = f" "submit on"; do
	COMP_WORDS=(shotline ${line% }); [[ $line == *" " ]] && COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _shotline shotline; echo "${COMPREPLY[@]}"
done
echo only.csv # files are completed by bash itself`,
		// Functions replace those of zsh's completion, which needs a terminal.
		"zsh": `compdef() { [[ "$*" == "_shotline shotline" ]] || exit 1 }
_files() { print; print only.csv }
_describe() { print ${${(P)3}%%:*} }
source <(shotline completion zsh)
for line in "sta" "status " "list --state f" "submit on"; do
	words=(shotline "${(@s: :)line}"); CURRENT=$#words; PREFIX=$words[-1]; _shotline
done`,
		"fish": `shotline completion fish | source
for line in "sta" "status " "list --state f" "submit on"
	test $line = "submit on"; and echo
	complete -C "shotline $line" | string replace -r '\t.*' '' | string join ' '
end
true # string replace has replaced nothing in a file's name`,
	} {
		t.Run(shell, func(t *testing.T) {
			program := findProgram(t, []string{shell})
			command := exec.Command(program, "-c", script)
			command.Dir = folder
			command.Env = append(os.Environ(), "SHOTLINE_DB="+database, "HOME="+folder, "GORACE=atexit_sleep_ms=0")
			out, err := command.CombinedOutput()
			want := []string{"status", ids[0] + " " + ids[1], "failed", "", "only.csv"}
			if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, got %q, want %q", err, got, want)
			}
		})
	}
	for _, args := range [][]string{{"completion"}, {"completion", "csh"}, {"completion", "bash", "zsh"}} {
		if code, _, stderr := invoke(t, args...); code != exitUsage || !strings.Contains(stderr, "bash, zsh, fish") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
}
