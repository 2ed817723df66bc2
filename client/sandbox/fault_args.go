package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faultArg is an argument of a fault.
type faultArg struct {
	name     string
	fallback string // value if the argument is not given
	kind     argKind
	words    []string // allowed words of an argChoice
}

// argKind is the type of an argument's value.
type argKind int

const (
	argCount   argKind = iota // at least 2, for example 2..20
	argCount1                 // at least 1, for example 1..5
	argDelay                  // for example 1s..10s
	argSeconds                // for example 1..30
	argStatus                 // for example 500..504
	argChoice                 // one of the argument's words, or any
	argWord                   // a status word
)

// Words of the choices. The span of a choice is a range of indexes into its
// words.
var (
	lieOrders = []string{"last", "first"}
	delayIn   = []string{"body", "header", "both"}
)

// maxFaultDelay limits every delay. A longer one is most likely a typing error.
const maxFaultDelay = 24 * time.Hour

// span is the parsed value of an argument: a range of integers (nanoseconds for a
// delay) or a word.
type span struct {
	low, high int64
	word      string
}

// parse parses the value of an argument.
func (a faultArg) parse(text string) (span, error) {
	number := func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }
	switch a.kind {
	case argCount:
		return parseSpan(text, number, 2, 100, "a number from 2 to 100 or a range such as 2..20")
	case argCount1:
		return parseSpan(text, number, 1, 100, "a number from 1 to 100 or a range such as 1..5")
	case argSeconds:
		return parseSpan(text, number, 0, 86400, "seconds from 0 to 86400 or a range such as 1..30")
	case argStatus:
		return parseSpan(text, number, 500, 599, "a status from 500 to 599 or a range such as 500..504")
	case argDelay:
		duration := func(s string) (int64, error) { d, err := time.ParseDuration(s); return int64(d), err }
		return parseSpan(text, duration, 0, int64(maxFaultDelay), "a duration up to 24h or a range such as 1s..10s")
	case argChoice:
		return parseChoice(text, a.words)
	default:
		return parseWord(text)
	}
}

// parseSpan parses one number, or two numbers separated by "..".
func parseSpan(text string, read func(string) (int64, error), least, most int64, want string) (span, error) {
	first, last, isRange := strings.Cut(text, "..")
	if !isRange {
		last = first
	}
	low, err1 := read(first)
	high, err2 := read(last)
	if err1 != nil || err2 != nil || low < least || high > most || low > high {
		return span{}, errors.New("want " + want)
	}
	return span{low: low, high: high}, nil
}

func parseChoice(text string, words []string) (span, error) {
	if text == "any" {
		return span{high: int64(len(words)) - 1}, nil
	}
	i := int64(slices.Index(words, text))
	if i < 0 {
		return span{}, fmt.Errorf("want %s or any", strings.Join(words, ", "))
	}
	return span{low: i, high: i}, nil
}

// parseWord parses a status word. It refuses the documented states, because they
// would not be a fault.
func parseWord(text string) (span, error) {
	if slices.Contains([]string{statusProcessing, statusFinished, statusError}, text) {
		return span{}, fmt.Errorf("want a word other than the documented states")
	}
	if !validAppID(text) {
		return span{}, fmt.Errorf("want up to %d letters, digits, - and _", maxAppIDLength)
	}
	return span{word: text}, nil
}
