package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// quantity is the value of a flag that holds a number or a duration. The command
// line, the environment and the file of --config all call Set, so that a wrong
// value gives the same error everywhere.
type quantity struct {
	text  string // in a form that the accessors of cli.Context can parse
	check func(text string) error
}

// Set implements flag.Value. Its errors do not quote the text, because a secret
// might be in the wrong place in the file of --config.
func (q *quantity) Set(text string) error {
	text = trimSpace(text)
	if err := q.check(text); err != nil {
		return err
	}
	q.text = text
	return nil
}

// String implements flag.Value.
func (q *quantity) String() string { return q.text }

// durationFlag, intFlag and floatFlag are the flags of the library with a
// quantity as their value.
type (
	durationFlag struct{ *cli.DurationFlag }
	intFlag      struct{ *cli.IntFlag }
	floatFlag    struct{ *cli.Float64Flag }
)

// Apply implements cli.Flag.
func (f durationFlag) Apply(set *flag.FlagSet) error {
	return apply(set, f, &quantity{f.Value.String(), checkDuration}, &f.HasBeenSet)
}

// Apply implements cli.Flag.
func (f intFlag) Apply(set *flag.FlagSet) error {
	return apply(set, f, &quantity{strconv.Itoa(f.Value), checkInt}, &f.HasBeenSet)
}

// Apply implements cli.Flag.
func (f floatFlag) Apply(set *flag.FlagSet) error {
	check := func(text string) error { return checkFloat(text, floatFlagValues[f.Name]) }
	return apply(set, f, &quantity{strconv.FormatFloat(f.Value, 'g', -1, 64), check}, &f.HasBeenSet)
}

// apply adds the flag to the set. If its environment variable is set, that
// becomes the value.
func apply(set *flag.FlagSet, f cli.DocGenerationFlag, q *quantity, given *bool) error {
	for _, variable := range f.GetEnvVars() {
		text := trimSpace(os.Getenv(variable))
		if text == "" {
			continue
		}
		if err := q.Set(text); err != nil {
			return badUsage("%s: %w", variable, err)
		}
		*given = true
		break
	}
	for _, name := range f.Names() {
		set.Var(q, name, f.GetUsage())
	}
	return nil
}

func checkDuration(text string) error {
	if _, err := time.ParseDuration(text); err == nil {
		return nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && len(text) < 10 && n > 0 {
		return fmt.Errorf("want a duration with its unit, such as %ss or %sm", text, text)
	}
	return errors.New("want a duration, such as 30s, 5m or 1h30m")
}

func checkInt(text string) error {
	_, err := strconv.ParseInt(text, 0, strconv.IntSize)
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("the number is too large")
	}
	if err != nil {
		return errors.New("want a whole number, such as 5")
	}
	return nil
}

// floatFlagValues describes the values of flags that take a fraction.
var floatFlagValues = map[string]string{
	thresholdFlag.Name: "percentage, such as 0.1",
	rateFlag.Name:      "number of creates per second, such as 5 or 0.5",
	balanceFlag.Name:   "number of credits, such as 1000",
}

func checkFloat(text, want string) error {
	_, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("the number is too large")
	}
	if err != nil {
		return errors.New("want a " + want)
	}
	return nil
}

// parseRate parses N/s or N/m.
func parseRate(text string) (perSecond float64, err error) {
	number, unit, _ := strings.Cut(text, "/")
	perSecond, err = strconv.ParseFloat(number, 64)
	if unit == "m" {
		perSecond /= 60
	}
	if err != nil || unit != "s" && unit != "m" || !(perSecond > 0 && perSecond <= 1e6) {
		return 0, errors.New("want N/s or N/m")
	}
	return perSecond, nil
}

// invalidValue matches the errors of package flag about invalid values.
var invalidValue = regexp.MustCompile(`(?s)^invalid (boolean )?value (".*") for (?:flag )?-(\S+): (.*)$`)

// usageError rewrites an error of package flag in the style of the other errors
// about flags.
func usageError(_ *cli.Context, err error, _ bool) error {
	match := invalidValue.FindStringSubmatch(err.Error())
	switch {
	case match == nil:
		return badUsage("%w", err)
	case match[1] != "":
		return badUsage("--%s=%s: want true or false", match[3], strings.Trim(match[2], `"`))
	}
	return badUsage("--%s %s: %s", match[3], match[2], match[4])
}
