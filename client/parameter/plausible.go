package parameter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Plausible reports whether a text makes sense as a value of the parameter. It is
// meant for columns that might be about something else. Parse returns no error
// for a plausible text.
func (p Parameter) Plausible(text string) bool {
	if p.plausible != nil {
		if !p.plausible(text) {
			return false
		}
	} else if p.Values != nil && !slices.Contains(p.Values, text) {
		return false
	}
	value, err := p.Parse(text)
	if err != nil {
		return false
	}
	number, isNumber := value.(float64)
	if !isNumber || p.Min == 0 && p.Max == 0 {
		return true
	}
	if p.Kind == Whole && !digits.MatchString(strings.TrimSpace(text)) { // 1e3, 1280.0
		return false
	}
	return number >= p.Min && number <= p.Max
}

// Want says which values are plausible, such as "screen or page". It is empty if
// that cannot be said in a few words.
func (p Parameter) Want() string {
	switch {
	case p.plausible != nil:
		return ""
	case len(p.Values) > 1:
		last := len(p.Values) - 1
		return strings.Join(p.Values[:last], ", ") + " or " + p.Values[last]
	case p.Kind == Boolean:
		return p.Kind.String()
	case p.Min != 0 || p.Max != 0:
		return fmt.Sprintf("a %s from %s to %s", p.Kind, decimal(p.Min), decimal(p.Max))
	}
	return ""
}

var (
	digits     = regexp.MustCompile(`^[0-9]+$`)
	language   = regexp.MustCompile(`^([a-z]{2}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?|[a-z]{3}-[A-Za-z]{2})$`)
	timezone   = regexp.MustCompile(`^(UTC|GMT|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Etc|Europe|Indian|Pacific)/[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)?)$`)
	regionCode = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`)
	headerLine = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+:.*$")
	cookiePair = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+=[^;,]*$")
	paper      = regexp.MustCompile(`^(?i)(A[0-6]|legal|letter|tabloid|ledger)$`)
	length     = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(cm|mm|in|px|pt)?$`)
	word       = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	selector   = regexp.MustCompile(`^([#.][A-Za-z_-]|[\[:*]|(body|main|header|footer|article|aside|section|nav|div|span|p|a|h[1-6]|ul|ol|li|table|form|iframe|img|svg|canvas|video|figure)([#.:\[ >+~]|$))`)
)

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func isLanguage(text string) bool { return language.MatchString(text) }

func isTimezone(text string) bool { return timezone.MatchString(text) }

// isRegion accepts codes such as bavaria and us-east-1, but no names such as
// North America.
func isRegion(text string) bool { return len(text) <= 64 && regionCode.MatchString(text) }

func isSelector(text string) bool { return len(text) <= 1024 && selector.MatchString(text) }

func isPaper(text string) bool { return paper.MatchString(text) }

func isLength(text string) bool { return len(text) < 16 && length.MatchString(text) }

func isWord(text string) bool { return word.MatchString(text) }

func isDeviceName(text string) bool {
	return len(text) <= 64 && strings.ContainsFunc(text, unicode.IsLetter) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isUserAgent(text string) bool {
	return strings.Contains(text, "/") && !strings.Contains(text, "://") && !strings.ContainsFunc(text, unicode.IsControl) ||
		strings.Contains(text, "(compatible;")
}

func isWebAddress(text string) bool {
	lower := strings.ToLower(text)
	return (strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")) && !strings.ContainsAny(text, " \t\r\n")
}

// isStructured reports whether a text is meant as JSON. Parse checks its syntax.
func isStructured(text string) bool { return beginsLikeJSON(strings.TrimSpace(text)) }

func isHeader(text string) bool {
	if isStructured(text) {
		return true
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if !headerLine.MatchString(strings.TrimSuffix(line, "\r")) {
			return false
		}
	}
	return true
}

func isCookie(text string) bool {
	if isStructured(text) {
		return true
	}
	for pair := range strings.SplitSeq(strings.TrimRight(text, "; "), ";") {
		if !cookiePair.MatchString(strings.TrimSpace(pair)) {
			return false
		}
	}
	return true
}

func isPostData(text string) bool { return isStructured(text) || strings.Contains(text, "=") }

// isScript accepts an id and JavaScript. It does not accept a word, because lists
// of languages have a column Script with values such as Latin.
func isScript(text string) bool { return strings.ContainsAny(text, "0123456789_(){};=") }

func isSwitch(text string) bool {
	_, err := Parameter{Kind: Boolean}.Parse(text)
	return err == nil || isStructured(text)
}

// isCache accepts true, false and a number of seconds.
func isCache(text string) bool {
	if _, err := (Parameter{Kind: Boolean}).Parse(text); err == nil {
		return true
	}
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

// isPriority does not accept numbers: in most lists, they are the order of the
// rows for their owner.
func isPriority(text string) bool {
	return slices.Contains([]string{"low", "normal", "medium", "high"}, text)
}
