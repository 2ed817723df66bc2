package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs/number"
)

var (
	liveFlag      = &cli.BoolFlag{Name: "live", Usage: "also make one real screenshot, which costs credits, and wait for its webhook"}
	doctorURLFlag = &cli.StringFlag{Name: "public-url", Usage: "`URL` of the webhook app, to check the way from outside"}
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check the settings, the vendor, the database, the queue and the way of webhooks",
		Flags: storeFlags(apiKeyFlag, baseURLFlag, appIDFlag, secretFlag, listenFlag, apiListenFlag, webhookPathFlag, redisFlag, requestTimeoutFlag,
			doctorURLFlag, liveFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return badUsage("doctor takes no arguments, got %q", c.Args().First())
			}
			d := doctor{c: c}
			defer d.close()
			d.examine()
			if err := d.print(c.App.Writer, c.Bool(jsonFlag.Name)); err != nil {
				return err
			}
			if d.count(failed) > 0 {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
}

// verdict is the result of a check.
type verdict string

// The verdicts.
const (
	fine    verdict = "ok"
	warning verdict = "warning"
	failed  verdict = "failed"
	skipped verdict = "skipped" // it could not be checked
)

// diagnosis is what a check found.
type diagnosis struct {
	Name    string  `json:"name"`
	Verdict verdict `json:"verdict"`
	Text    string  `json:"text"`           // what was found
	Why     string  `json:"why,omitempty"`  // why it matters
	Mend    string  `json:"mend,omitempty"` // what mends it
}

// found adds a diagnosis.
func (d *doctor) found(name string, v verdict, text, why, mend string) {
	d.list = append(d.list, diagnosis{name, v, printable(text), why, mend})
}

func (d *doctor) count(v verdict) (n int) {
	for _, found := range d.list {
		if found.Verdict == v {
			n++
		}
	}
	return n
}

// print prints the diagnoses, in lines of at most 80 characters.
func (d *doctor) print(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		for _, found := range d.list {
			if err := out.Encode(found); err != nil {
				return err
			}
		}
		return nil
	}
	var s strings.Builder
	for _, found := range d.list {
		writeColumns(&s, string(found.Verdict), found.Name, found.Text)
		if found.Why != "" {
			writeColumns(&s, "", "", found.Why)
		}
		if found.Mend != "" {
			writeColumns(&s, "", "", "→ "+found.Mend)
		}
	}
	if bad, poor := d.count(failed), d.count(warning); bad+poor > 0 {
		fmt.Fprintf(&s, "\n%s, %s\n", number.Of(bad, "failure"), number.Of(poor, "warning"))
	} else {
		s.WriteString("\nnothing is wrong\n")
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// writeColumns writes a text in lines beside a verdict and a name.
func writeColumns(s *strings.Builder, verdict, name, text string) {
	for _, line := range wrap(text, helpWidth-21) {
		s.WriteString(strings.TrimRight(fmt.Sprintf("%-8s %-11s %s", verdict, name, line), " ") + "\n")
		verdict, name = "", ""
	}
}

// shortError returns the innermost text of an error without what was being done.
func shortError(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}
