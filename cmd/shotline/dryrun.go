package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/orchestrator"
)

var dryRunFlag = &cli.BoolFlag{Name: "dry-run", Usage: "only print what the input would become and what it might cost; nothing is stored or sent"}

// dryRun prints what an import of the input would do.
func dryRun(c *cli.Context, in *input) error {
	rowLimit, err := maxRows(c)
	if err != nil {
		return err
	}
	store, closeStore, err := costHistory(c)
	if err != nil {
		return err
	}
	defer closeStore()
	p, err := orchestrator.PreviewImport(c.Context, store, in.spec, orchestrator.Limits{Rows: rowLimit}.Guard(in.rows))
	if c.Context.Err() != nil {
		return &exitError{exitFailed, errors.New("interrupted")}
	}
	if err != nil {
		return badUsage("%s: %w", in.spec.Source, err)
	}
	balance := accountBalance(c)
	if c.Bool(jsonFlag.Name) {
		return json.NewEncoder(c.App.Writer).Encode(jobjson.Previewed(p, in.notes, balance))
	}
	return printPreview(c.App.Writer, p, balance)
}

// costHistory returns the store with the costs of earlier creates. If there is no
// database yet, it returns an empty one.
func costHistory(c *cli.Context) (orchestrator.OptionCostStore, func(), error) {
	path := c.String(dbFlag.Name)
	if !isFile(path) {
		return noHistory{}, func() {}, nil
	}
	store, err := openStore(c.Context, path, jobs.OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	return store, func() { _ = store.Close() }, nil
}

// noHistory is the history of a database that does not exist.
type noHistory struct{}

func (noHistory) OptionCosts(context.Context, []string) (map[string]jobs.OptionCost, error) {
	return nil, nil
}

// maxPreviewReasons is how many reasons of rejected rows a dry run prints.
const maxPreviewReasons = 10

func printPreview(w io.Writer, p jobs.Preview, balance *float64) error {
	var s strings.Builder
	fmt.Fprintf(&s, "dry run: %s, %s accepted, %s, %s rejected\n", number.Of(p.Rows, "row"), number.Grouped(p.Accepted), number.Of(p.Duplicates, "duplicate"), number.Grouped(p.Rejected))
	for i, r := range p.Reasons {
		if i == maxPreviewReasons {
			fmt.Fprintf(&s, "  and %s\n", number.Of(len(p.Reasons)-i, "more reason"))
			break
		}
		first := summary.Place(r.Row, r.Line)
		if r.Count > 1 {
			first = number.Of(r.Count, "row") + ", first " + first
		}
		fmt.Fprintf(&s, "  rejected: %s: %s\n", first, printable(r.Text))
	}
	fmt.Fprintf(&s, "cost     %s\n", previewCost(p))
	if balance != nil {
		fmt.Fprintf(&s, "balance  %s\n", summary.Credits(*balance))
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// previewCost describes the estimate of a dry run.
func previewCost(p jobs.Preview) string {
	unknown := fmt.Sprintf("no history: %s", number.Of(p.Unknown, "create"))
	switch {
	case p.Unknown == p.Accepted:
		return unknown
	case p.Most > p.Credits:
		unknown = fmt.Sprintf("about %s, at most %s", summary.Credits(p.Credits), summary.Credits(p.Most)) + map[bool]string{true: "; " + unknown}[p.Unknown > 0]
	default:
		unknown = "about " + summary.Credits(p.Credits) + map[bool]string{true: "; " + unknown}[p.Unknown > 0]
	}
	return unknown + ", by earlier creates with such parameters"
}

// accountBalance returns the credits of the account, or nil if there is no key or
// the vendor does not answer.
func accountBalance(c *cli.Context) *float64 {
	key := trimSpace(c.String(apiKeyFlag.Name))
	if key == "" {
		return nil
	}
	vendor, err := vendorFrom(c, key)
	if err == nil {
		defer vendor.CloseIdleConnections()
		var account client.Account
		if account, err = vendor.Account(c.Context); err == nil {
			return &account.Balance
		}
	}
	fmt.Fprintf(c.App.ErrWriter, "the balance is not known: %s\n", printable(err.Error()))
	return nil
}
