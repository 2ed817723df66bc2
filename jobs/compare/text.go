package compare

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"shotline/jobs"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

const (
	lineWidth = 80
	indent    = "    "
	// maxListed is how many changes a text lists.
	maxListed = 20
)

// kindNames are the names of kinds for people.
var kindNames = map[Kind]string{
	OnlyA: "only in A", OnlyB: "only in B", State: "state", Picture: "picture", FinalURL: "final URL", Title: "title", Cost: "cost",
	NotCompared: "not compared",
}

// WriteText writes the counts and the first changes, for a terminal of at least 80
// columns. It removes control characters from text from outside.
func WriteText(ctx context.Context, w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	for _, side := range []struct {
		name string
		jobs.Batch
	}{{"A", r.A}, {"B", r.B}} {
		facts := []string{"batch " + side.ID, number.Of(side.Counts.Rows, "row")}
		if side.Source != "" {
			facts[1] += " from " + summary.PlainLine(side.Source, 30)
		}
		facts = append(facts, side.CreatedAt.UTC().Format("2 Jan 2006 15:04 UTC"))
		fmt.Fprintf(out, "%s  %s\n", side.name, strings.Join(facts, " · "))
	}
	for _, note := range r.Notes() {
		writeWrapped(out, "", note)
	}
	fmt.Fprintln(out)
	for _, line := range []struct {
		name string
		n    int64
		more string
	}{
		{"same", r.Counts.Same, ""}, {"changed", r.Counts.Changed, r.changedKinds()},
		{kindNames[OnlyA], r.Counts.Kinds[OnlyA], ""}, {kindNames[OnlyB], r.Counts.Kinds[OnlyB], ""},
		{kindNames[NotCompared], r.Counts.Kinds[NotCompared], ""},
	} {
		text := fmt.Sprintf("  %-12s  %*s", line.name, len(number.Grouped(max(r.Counts.RowsA, r.Counts.RowsB))), number.Grouped(line.n))
		if line.more != "" {
			text += "  " + line.more
		}
		fmt.Fprintln(out, text)
	}
	listed := 0
	for c, err := range r.Changes(ctx) {
		if err != nil {
			return err
		}
		if listed == maxListed {
			break
		}
		if listed == 0 {
			fmt.Fprintln(out)
		}
		listed++
		writeChange(out, c)
	}
	if more := r.Len() - listed; more > 0 {
		fmt.Fprintf(out, "\n  … and %s more: --format csv, json or html shows all\n", number.Grouped(int64(more)))
	}
	return out.Flush()
}

// Notes returns what a reader of the report should know.
func (r *Report) Notes() (notes []string) {
	if len(r.OtherParams) > 0 {
		notes = append(notes, "The batches have other parameters: "+summary.PlainLine(strings.Join(r.OtherParams, ", "), 200)+".")
	}
	if n := r.Counts.DuplicatesA + r.Counts.DuplicatesB; n > 0 {
		are := "are"
		if n == 1 {
			are = "is"
		}
		notes = append(notes, fmt.Sprintf("%s %s not compared, because they show another row's result.", number.Of(n, "duplicate"), are))
	}
	return notes
}

// changedKinds lists how many rows have changed in which way.
func (r *Report) changedKinds() string {
	var parts []string
	for _, k := range []Kind{State, Picture, FinalURL, Title, Cost} {
		if n := r.Counts.Kinds[k]; n > 0 {
			parts = append(parts, kindNames[k]+" "+number.Grouped(n))
		}
	}
	return strings.Join(parts, " · ")
}

func writeChange(out io.Writer, c Change) {
	j := c.Job()
	place := summary.Place(j.ID.Row, j.Line)
	if c.A != nil && c.B != nil && c.A.ID.Row != c.B.ID.Row {
		place = fmt.Sprintf("row %d, in B row %d", c.A.ID.Row, c.B.ID.Row)
	}
	address := Address(j)
	if room := lineWidth - 4 - utf8.RuneCountInString(place); utf8.RuneCountInString(address) <= room {
		fmt.Fprintf(out, "  %s  %s\n", place, address)
	} else {
		fmt.Fprintf(out, "  %s\n", place)
		fmt.Fprintf(out, "%s%s\n", indent, summary.PlainLine(address, lineWidth-len(indent)))
	}
	for _, text := range c.Texts() {
		writeWrapped(out, indent, summary.PlainLine(text, 240))
	}
}

// Address returns the text that a row is shown with.
func Address(j jobs.Job) string {
	text := j.URL
	if shown, ok := summary.PageAddress(text); ok {
		text = shown
	}
	if text == "" {
		text = strings.Join(j.Cells, ", ")
	}
	return summary.PlainLine(text, 2000)
}

// Texts says how a row has changed, one text for each kind.
func (c Change) Texts() (texts []string) {
	for _, k := range c.Kinds {
		text := ""
		switch k {
		case OnlyA, OnlyB:
			text = fmt.Sprintf("%s, %s", kindNames[k], outcomeText(c.Job()))
		case State:
			text = fmt.Sprintf("%s → %s", outcomeText(*c.A), outcomeText(*c.B))
		case Picture:
			text = "picture: " + Percent(c.Look.Share) + " of the pixels"
			if a, b := c.Look.A, c.Look.B; a.Width != b.Width || a.Height != b.Height {
				text += fmt.Sprintf(", %d × %d → %d × %d", a.Width, a.Height, b.Width, b.Height)
			}
		case FinalURL:
			text = fmt.Sprintf("final URL: %s → %s", c.Look.A.FinalURL, c.Look.B.FinalURL)
		case Title:
			text = fmt.Sprintf("title: %q → %q", summary.PlainLine(c.Look.A.Title, 100), summary.PlainLine(c.Look.B.Title, 100))
		case Cost:
			text = fmt.Sprintf("cost: %s → %s", summary.Credits(*c.A.Cost), summary.Credits(*c.B.Cost))
		case NotCompared:
			text = "not compared: " + c.Look.Reason
		}
		texts = append(texts, text)
	}
	return texts
}

// outcomeText returns the state of a job, with its error.
func outcomeText(j jobs.Job) string {
	text := strings.ReplaceAll(string(j.State), "_", " ")
	if j.Error != "" {
		text += " (" + summary.PlainLine(j.Error, 100) + ")"
	}
	return text
}

// Percent formats a share. A share above zero is not 0 %.
func Percent(share float64) string {
	percent := 100 * share
	switch {
	case percent <= 0:
		return "0 %"
	case percent < 0.001:
		return "less than 0.001 %"
	case percent < 0.1:
		return strconv.FormatFloat(percent, 'f', 3, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
}

// writeWrapped writes a text in lines that fit. A longer word stays whole.
func writeWrapped(out io.Writer, before, text string) {
	line := before
	for _, word := range strings.Fields(text) {
		if line != before && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineWidth {
			fmt.Fprintln(out, line)
			line = before + "  "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(out, line)
}
