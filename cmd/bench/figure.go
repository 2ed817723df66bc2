package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// figure is one row of the table.
type figure struct {
	Of     string  `json:"of"` // name of the measure
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target *target `json:"target,omitempty"` // nil if there is no target
	Met    *bool   `json:"met,omitempty"`
	From   string  `json:"from,omitempty"` // how the value was computed
}

// target is the smallest or the largest value that is good enough.
type target struct {
	Least *float64 `json:"at_least,omitempty"`
	Most  *float64 `json:"at_most,omitempty"`
}

func atLeast(value float64) *target { return &target{Least: &value} }
func atMost(value float64) *target  { return &target{Most: &value} }

func (t *target) met(value float64) bool {
	return (t.Least == nil || value >= *t.Least) && (t.Most == nil || value <= *t.Most)
}

func (t *target) String() string {
	switch {
	case t == nil:
		return ""
	case t.Least != nil:
		return "≥ " + number(*t.Least)
	}
	return "≤ " + number(*t.Most)
}

// number formats value with three significant digits, or as a whole number if it
// is larger than that.
func number(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0")
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", value), "0"), ".")
}

// machine describes the machine on which the figures were measured.
type machine struct {
	CPUs int    `json:"cpus"`
	CPU  string `json:"cpu"`
	OS   string `json:"os"`
	Go   string `json:"go"` // Go version that built this command
}

func thisMachine() machine {
	m := machine{CPUs: runtime.GOMAXPROCS(0), CPU: runtime.GOARCH, OS: runtime.GOOS, Go: runtime.Version()}
	info, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m // not on Linux
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// report contains the figures of a run.
type report struct {
	Machine machine  `json:"machine"`
	Figures []figure `json:"figures"`
}

// save writes the report as JSON.
func (r *report) save(file string) error {
	r.setMet()
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// setMet records for each figure whether it meets its target.
func (r *report) setMet() {
	for i, f := range r.Figures {
		if f.Target != nil {
			met := f.Target.met(f.Value)
			r.Figures[i].Met = &met
		}
	}
}

// print writes the report as a table in Markdown.
func (r *report) print(w io.Writer) error {
	r.setMet()
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s, %d CPUs, %s, %s\n\n| measure | figure | value | target | met | from |\n| --- | --- | --- | --- | --- | --- |\n",
		r.Machine.CPU, r.Machine.CPUs, r.Machine.OS, r.Machine.Go)
	missed := 0
	for _, f := range r.Figures {
		met := ""
		switch {
		case f.Met == nil:
		case *f.Met:
			met = "yes"
		default:
			met = "**no**"
			missed++
		}
		fmt.Fprintf(out, "| %s | %s | %s %s | %s | %s | %s |\n", f.Of, f.What, number(f.Value), f.Unit, f.Target, met, f.From)
	}
	fmt.Fprintf(out, "\n%d figures, %d targets missed\n", len(r.Figures), missed)
	return out.Flush()
}
