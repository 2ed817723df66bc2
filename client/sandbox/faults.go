package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Names of the faults.
const (
	faultWebhookDuplicate    = "webhook-duplicate"
	faultWebhookDrop         = "webhook-drop"
	faultWebhookDelay        = "webhook-delay"
	faultWebhookReorder      = "webhook-reorder"
	faultWebhookEarly        = "webhook-early"
	faultWebhookContradict   = "webhook-contradict"
	faultWebhookBadSignature = "webhook-bad-signature"
	faultWebhookUnsigned     = "webhook-unsigned"

	faultCreate429       = "create-429"
	faultCreate500       = "create-500"
	faultCreate500Effect = "create-500-effect"
	faultCreateCut       = "create-cut"
	faultCreateCutEffect = "create-cut-effect"
	faultCreateSlow      = "create-slow"
	faultCreateMalformed = "create-malformed"
	faultCreateStatus    = "create-status"
	faultCreditsOut      = "credits-out"

	faultListLag   = "list-lag"
	faultListShift = "list-shift"
	faultRead429   = "read-429"
	faultRead500   = "read-500"
)

// FaultInfo describes a fault that the sandbox supports.
type FaultInfo struct {
	Name string `json:"name"`
	Args string `json:"args,omitempty"` // with their defaults, for example times=2..20,delay=0s
	Note string `json:"note"`           // effect of the fault, in one line
}

// faultKind is an entry of the table of faults.
type faultKind struct {
	name string
	args []faultArg
	note string
}

// limitArgs are the arguments of a 429: the delay, and where the response states
// it.
var limitArgs = []faultArg{
	{"retry_after", "1", argSeconds, nil},
	{"in", "body", argChoice, delayIn},
}

// faultTable lists all faults. At most one of the create faults without effect
// happens to a create, and at most one of those with effect: the first that hits,
// in this order.
var faultTable = []faultKind{
	{faultWebhookDuplicate, []faultArg{{"times", "2..20", argCount, nil}, {"delay", "0s", argDelay, nil}}, "posted this many times in total, each copy after its own delay"},
	{faultWebhookDrop, nil, "never posted"},
	{faultWebhookDelay, []faultArg{{"delay", "1s..10s", argDelay, nil}}, "posted later"},
	{faultWebhookReorder, []faultArg{{"by", "1..5", argCount1, nil}, {"delay", "2s", argDelay, nil}}, "posted after this many other posts, or after the delay"},
	{faultWebhookEarly, []faultArg{{"delay", "5s", argDelay, nil}}, "posted before the response to the create, which waits for it for at most the delay"},
	{faultWebhookContradict, []faultArg{{"lie", "last", argChoice, lieOrders}, {"delay", "0s", argDelay, nil}}, "the opposite result is posted as well: last, first or any"},
	{faultWebhookBadSignature, nil, "signed with a wrong secret, in all attempts"},
	{faultWebhookUnsigned, nil, "not signed, in all attempts"},

	{faultCreateCut, nil, "connection closed without a response, no effect"},
	{faultCreate500, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx, no effect; from 502 on the HTML page of a proxy"},
	{faultCreate429, limitArgs, "429, no effect; the delay is in the body, in a Retry-After header, in both or any"},
	{faultCreditsOut, nil, "refused as if the credits had run out, no effect"},
	{faultCreateCutEffect, nil, "connection closed without a response, after the screenshot was created and charged"},
	{faultCreate500Effect, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx after the screenshot was created and charged"},
	{faultCreateSlow, []faultArg{{"delay", "20s", argDelay, nil}}, "created and charged, but the response is sent after the delay"},
	{faultCreateMalformed, nil, "created and charged, but the JSON of the response is truncated"},
	{faultCreateStatus, []faultArg{{"word", "queued", argWord, nil}}, "created and charged, but the response has an undocumented status"},

	{faultListLag, []faultArg{{"delay", "2s..10s", argDelay, nil}}, "a new screenshot is missing from list and search until the delay has passed"},
	{faultListShift, []faultArg{{"by", "1..3", argCount1, nil}}, "a page of list or search is shorter, or starts this many rows earlier or later"},
	{faultRead429, limitArgs, "429 from a read-only endpoint; the delay as in create-429"},
	{faultRead500, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx from a read-only endpoint"},
}

// FaultList returns all faults that the sandbox supports.
func FaultList() []FaultInfo {
	var list []FaultInfo
	for _, kind := range faultTable {
		var args []string
		for _, arg := range kind.args {
			args = append(args, arg.name+"="+arg.fallback)
		}
		list = append(list, FaultInfo{Name: kind.name, Args: strings.Join(args, ","), Note: kind.note})
	}
	return list
}

// Fault is a fault that happens with a probability. Its text form, also in JSON,
// is NAME=PROBABILITY[,ARGUMENT=VALUE…], for example
// webhook-duplicate=0.2,times=2..20. Ranges include both ends.
type Fault struct {
	Name        string
	Probability float64           // from 0 (never) to 1 (always)
	Args        map[string]string // only those that differ from the defaults
}

// ParseFault parses the text form of a fault. Its errors list the valid values.
func ParseFault(text string) (Fault, error) {
	parts := strings.Split(text, ",")
	name, number, found := strings.Cut(strings.TrimSpace(parts[0]), "=")
	if !found {
		return Fault{}, fmt.Errorf("fault %q: want NAME=PROBABILITY[,ARGUMENT=VALUE…]", text)
	}
	probability, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %s: the probability must be a number from 0 to 1, not %q", name, number)
	}
	f := Fault{Name: name, Probability: probability}
	for _, part := range parts[1:] {
		arg, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			return Fault{}, fmt.Errorf("fault %s: want ARGUMENT=VALUE, not %q", name, part)
		}
		if _, twice := f.Args[arg]; twice {
			return Fault{}, fmt.Errorf("fault %s: argument %s is given twice", name, arg)
		}
		if f.Args == nil {
			f.Args = make(map[string]string)
		}
		f.Args[arg] = value
	}
	_, err = f.compile()
	return f, err
}

// String returns the text form that ParseFault parses.
func (f Fault) String() string {
	text := f.Name + "=" + strconv.FormatFloat(f.Probability, 'g', -1, 64)
	for _, arg := range slices.Sorted(maps.Keys(f.Args)) {
		text += "," + arg + "=" + f.Args[arg]
	}
	return text
}

// MarshalText returns the same text as String.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText sets f to the result of ParseFault.
func (f *Fault) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFault(string(text))
	return err
}

// compile validates the fault and fills in the defaults of its arguments.
func (f Fault) compile() (compiledFault, error) {
	i := slices.IndexFunc(faultTable, func(kind faultKind) bool { return kind.name == f.Name })
	if i < 0 {
		var known []string
		for _, kind := range faultTable {
			known = append(known, kind.name)
		}
		return compiledFault{}, fmt.Errorf("fault %q is not known; known are %s", f.Name, strings.Join(known, ", "))
	}
	// Negated, so that NaN is refused.
	if !(f.Probability >= 0 && f.Probability <= 1) {
		return compiledFault{}, fmt.Errorf("fault %s: the probability must be a number from 0 to 1, not %g", f.Name, f.Probability)
	}
	kind := faultTable[i]
	t := compiledFault{name: f.Name, probability: f.Probability, spans: make(map[string]span)}
	for _, name := range slices.Sorted(maps.Keys(f.Args)) {
		if !slices.ContainsFunc(kind.args, func(arg faultArg) bool { return arg.name == name }) {
			return compiledFault{}, fmt.Errorf("fault %s has no argument %q; %s", f.Name, name, kind.argumentList())
		}
	}
	for _, arg := range kind.args {
		text, given := f.Args[arg.name]
		if !given {
			text = arg.fallback
		}
		var err error
		if t.spans[arg.name], err = arg.parse(text); err != nil {
			return compiledFault{}, fmt.Errorf("fault %s: %s=%s: %w", f.Name, arg.name, text, err)
		}
	}
	return t, nil
}

// argumentList returns a text that lists the arguments of a fault.
func (k faultKind) argumentList() string {
	var names []string
	for _, arg := range k.args {
		names = append(names, arg.name)
	}
	if len(names) == 0 {
		return "it takes none"
	}
	return "it takes " + strings.Join(names, ", ")
}
