package chrome

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// ownProcessGroup starts the browser in its own process group, so that Ctrl-C in
// the terminal does not reach it and a program that shuts down in order can
// finish its renders. If this program dies without closing the browser, the
// kernel kills the browser.
func ownProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// processTree returns the browser process and all its descendants, with their use
// of memory. Processes that end in the meantime are left out.
func processTree(browser int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]int)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var all []process
	for next := []int{browser}; len(next) > 0; {
		pid := next[0]
		next = append(next[1:], children[pid]...)
		if used, ok := memoryUsed(pid); ok {
			all = append(all, process{pid: pid, kind: kindOf(pid), used: used})
		}
	}
	return all
}

// parentOf returns the parent of a process. In the line of /proc the name of the
// program comes first, in parentheses, and can contain any character.
func parentOf(pid int) (parent int, ok bool) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// memoryUsed returns the memory and swap that a process uses, without files that
// it shares with others.
func memoryUsed(pid int) (used int64, ok bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "RssAnon", "RssShmem", "VmSwap":
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, false
			}
			used += kib << 10
			ok = true
		}
	}
	return used, ok
}

// kindOf returns the type of a Chromium process, from its command line.
func kindOf(pid int) string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	for arg := range strings.FieldsFuncSeq(string(line), func(r rune) bool { return r == 0 || r == ' ' }) {
		if kind, found := strings.CutPrefix(arg, "--type="); found {
			return kind
		}
	}
	return ""
}

// endProcess kills a process. An error means that it has already ended.
func endProcess(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
