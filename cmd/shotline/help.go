package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

const (
	helpWidth = 80 // columns of a help text
	nameWidth = 24 // widest name that has its description on the same line
)

func init() {
	cli.HelpPrinter = func(w io.Writer, _ string, of any) { _, _ = io.WriteString(w, helpText(of)) }
}

// helpText returns the help of an application or a command. The templates of the
// library do not wrap the descriptions of flags.
func helpText(of any) string {
	var page helpPage
	switch of := of.(type) {
	case *cli.App:
		page.app(of)
	case *cli.Command:
		page.command(of)
	}
	return page.String()
}

// helpPage is a help text while it is written.
type helpPage struct{ strings.Builder }

// entry is a name with its description: a command or a flag.
type entry struct{ name, text string }

func (p *helpPage) app(app *cli.App) {
	p.paragraph(app.Name+" – "+app.Usage, "")
	p.heading("Usage")
	p.WriteString("  " + app.Name + " COMMAND [flags] [arguments]\n")
	var entries []entry
	for i, command := range app.Commands {
		entries = append(entries, entry{command.Name, command.Usage})
		if i+1 == len(app.Commands) || app.Commands[i+1].Category != command.Category {
			p.heading(command.Category)
			p.entries(entries, commandWidth(app))
			entries = nil
		}
	}
	p.heading("Flags")
	p.flags(app.Flags)
	fmt.Fprintf(p, "\n%s COMMAND --help shows the flags of a command, and examples.\n", app.Name)
}

func commandWidth(app *cli.App) (width int) {
	for _, command := range app.Commands {
		width = max(width, len(command.Name))
	}
	return width
}

func (p *helpPage) command(command *cli.Command) {
	p.paragraph(command.HelpName+" – "+command.Usage, "")
	p.heading("Usage")
	p.WriteString(strings.TrimRight("  "+command.HelpName+" [flags] "+command.ArgsUsage, " ") + "\n")
	if command.Description != "" {
		p.WriteString("\n")
		for line := range strings.Lines(command.Description) {
			p.paragraph(strings.TrimSuffix(line, "\n"), "  ")
		}
	}
	if text := examples[command.Name]; text != "" {
		p.heading("Examples")
		for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
			p.WriteString("  " + line)
		}
	}
	for _, group := range groupFlags(command) {
		p.heading(group.title)
		p.flags(group.flags)
	}
}

func (p *helpPage) heading(title string) { p.WriteString("\n" + title + "\n") }

// paragraph writes a text after an indentation. Its further lines are indented by
// two more.
func (p *helpPage) paragraph(text, indent string) {
	if utf8.RuneCountInString(indent+text) <= helpWidth {
		p.WriteString(strings.TrimRight(indent+text, " ") + "\n")
		return
	}
	further := indent + "  "
	for _, line := range wrap(text, helpWidth-len(further)) {
		p.WriteString(indent + line + "\n")
		indent = further
	}
}

func (p *helpPage) flags(flags []cli.Flag) {
	var entries []entry
	width := 0
	for _, flag := range flags {
		e := entry{flagName(flag), flagText(flag)}
		if n := utf8.RuneCountInString(e.name); n <= nameWidth {
			width = max(width, n)
		}
		entries = append(entries, e)
	}
	p.entries(entries, width)
}

// entries writes the descriptions beside the names. The description of a name that
// is wider than width begins on the next line.
func (p *helpPage) entries(entries []entry, width int) {
	indent := strings.Repeat(" ", 2+width+2)
	for _, e := range entries {
		begin := fmt.Sprintf("  %-*s  ", width, e.name)
		if utf8.RuneCountInString(e.name) > width {
			begin = "  " + e.name + "\n" + indent
		}
		for _, line := range wrap(e.text, helpWidth-len(indent)) {
			p.WriteString(begin + line + "\n")
			begin = indent
		}
	}
}

// flagName returns how a flag is written: "--db FILE".
func flagName(flag cli.Flag) string {
	var names []string
	for _, name := range flag.Names() {
		names = append(names, strings.Repeat("-", min(len(name), 2))+name)
	}
	text := strings.Join(names, ", ")
	if documented, is := flag.(cli.DocGenerationFlag); is && documented.TakesValue() {
		text += " " + valueName(flag)
	}
	return text
}

// valueName returns the word in backquotes of a flag's description, or else a word
// for its type.
func valueName(flag cli.Flag) string {
	if parts := strings.SplitN(flag.(cli.DocGenerationFlag).GetUsage(), "`", 3); len(parts) == 3 {
		return parts[1]
	}
	switch flag.(type) {
	case durationFlag:
		return "DURATION"
	case intFlag:
		return "N"
	case floatFlag:
		return "NUMBER"
	}
	return "VALUE"
}

// flagText returns the description of a flag with its default and its environment
// variable.
func flagText(flag cli.Flag) string {
	documented := flag.(cli.DocGenerationFlag)
	text := strings.ReplaceAll(documented.GetUsage(), "`", "")
	if value := defaultText(flag); value != "" {
		text += " (default: " + value + ")"
	}
	if variable := variableOf(flag); variable != "" {
		text += " [$" + variable
		if isRepeatable(flag) {
			text += ", comma-separated"
		}
		text += "]"
	}
	return text
}

// defaultText returns the default of a flag, or nothing if the flag is off or has
// no value without being set.
func defaultText(flag cli.Flag) string {
	switch f := flag.(type) {
	case *cli.StringFlag:
		return strings.Trim(f.GetDefaultText(), `"`)
	case durationFlag:
		if f.DefaultText == "" {
			return shortDuration(f.Value.String())
		}
		return f.DefaultText
	case intFlag:
		if f.DefaultText == "" && f.Value == 0 {
			return ""
		}
		return f.GetDefaultText()
	case floatFlag:
		return f.GetDefaultText()
	case *cli.StringSliceFlag:
		return f.DefaultText
	}
	return ""
}

// shortDuration writes 10m0s as 10m, and 24h0m0s as 24h.
func shortDuration(text string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// variableOf returns the environment variable that sets a flag, or nothing.
func variableOf(flag cli.Flag) string {
	if variable := listVariables[flag.Names()[0]]; variable != "" && isRepeatable(flag) {
		return variable
	}
	if documented, is := flag.(cli.DocGenerationFlag); is && len(documented.GetEnvVars()) > 0 {
		return documented.GetEnvVars()[0]
	}
	return ""
}

// wrap breaks a text into lines of at most width characters. It does not break
// words. It keeps the spaces of a text that fits.
func wrap(text string, width int) (lines []string) {
	if utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
