package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The faults by name.
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

// FaultInfo describes one fault that the sandbox can be given.
type FaultInfo struct {
	Name string `json:"name"`
	Args string `json:"args,omitempty"` // with their defaults, as in times=2..20,delay=0s
	Note string `json:"note"`           // what happens, in one line
}

// faultKind is a row of the table of faults.
type faultKind struct {
	name string
	args []faultArg
	note string
}

// limitArgs are those of a 429: how long to wait, and where that is told.
var limitArgs = []faultArg{
	{"retry_after", "1", argSeconds, nil},
	{"in", "body", argChoice, delayIn},
}

// faultTable is every fault there is. Where several of one group hit the same
// create, the first in this order wins.
var faultTable = []faultKind{
	{faultWebhookDuplicate, []faultArg{{"times", "2..20", argCount, nil}, {"delay", "0s", argDelay, nil}}, "posted so many times in all, each copy after a delay of its own"},
	{faultWebhookDrop, nil, "never posted"},
	{faultWebhookDelay, []faultArg{{"delay", "1s..10s", argDelay, nil}}, "posted later"},
	{faultWebhookReorder, []faultArg{{"by", "1..5", argCount1, nil}, {"delay", "2s", argDelay, nil}}, "overtaken by so many other posts, waiting for them at most the delay"},
	{faultWebhookEarly, []faultArg{{"delay", "5s", argDelay, nil}}, "posted before the create is answered, which waits for it at most the delay"},
	{faultWebhookContradict, []faultArg{{"lie", "last", argChoice, lieOrders}, {"delay", "0s", argDelay, nil}}, "the opposite outcome is posted as well: last, first or any"},
	{faultWebhookBadSignature, nil, "signed with another secret, all tries of it"},
	{faultWebhookUnsigned, nil, "without signature, all tries of it"},

	{faultCreateCut, nil, "connection cut, no effect"},
	{faultCreate500, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx, no effect; from 502 on with a proxy's HTML page"},
	{faultCreate429, limitArgs, "429, no effect; the delay in its body, a Retry-After header, both or any"},
	{faultCreditsOut, nil, "refused as if there were no credits left, no effect"},
	{faultCreateCutEffect, nil, "connection cut after the screenshot was ordered and charged"},
	{faultCreate500Effect, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx after the screenshot was ordered and charged"},
	{faultCreateSlow, []faultArg{{"delay", "20s", argDelay, nil}}, "ordered and charged, but answered only after the delay"},
	{faultCreateMalformed, nil, "ordered and charged, but the JSON of the answer ends in the middle"},
	{faultCreateStatus, []faultArg{{"word", "queued", argWord, nil}}, "ordered and charged; the answer's status is a word nobody documents"},

	{faultListLag, []faultArg{{"delay", "2s..10s", argDelay, nil}}, "a new screenshot is missing in list and search at first"},
	{faultListShift, []faultArg{{"by", "1..3", argCount1, nil}}, "a page of list or search is short, or begins so many rows off"},
	{faultRead429, limitArgs, "429 at an endpoint that only reads, likewise"},
	{faultRead500, []faultArg{{"status", "500..504", argStatus, nil}}, "5xx at an endpoint that only reads"},
}

// FaultList returns every fault that the sandbox knows.
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

// Fault makes something go wrong with a probability. As text, also in JSON, it
// is NAME=PROBABILITY[,ARGUMENT=VALUE…], for example
// webhook-duplicate=0.2,times=2..20; ranges include both ends.
type Fault struct {
	Name        string
	Probability float64           // 0 never … 1 always
	Args        map[string]string // those that differ from the defaults
}

// ParseFault reads a fault's text. Errors list what would have been right.
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

// String is the text that ParseFault reads.
func (f Fault) String() string {
	text := f.Name + "=" + strconv.FormatFloat(f.Probability, 'g', -1, 64)
	for _, arg := range slices.Sorted(maps.Keys(f.Args)) {
		text += "," + arg + "=" + f.Args[arg]
	}
	return text
}

// MarshalText is String.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFault.
func (f *Fault) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFault(string(text))
	return err
}

// compile checks the fault and fills in the defaults of its arguments.
func (f Fault) compile() (trap, error) {
	i := slices.IndexFunc(faultTable, func(kind faultKind) bool { return kind.name == f.Name })
	if i < 0 {
		var known []string
		for _, kind := range faultTable {
			known = append(known, kind.name)
		}
		return trap{}, fmt.Errorf("fault %q is not known; known are %s", f.Name, strings.Join(known, ", "))
	}
	// Written so that NaN is refused.
	if !(f.Probability >= 0 && f.Probability <= 1) {
		return trap{}, fmt.Errorf("fault %s: the probability must be a number from 0 to 1, not %g", f.Name, f.Probability)
	}
	kind := faultTable[i]
	t := trap{name: f.Name, probability: f.Probability, spans: make(map[string]span)}
	for _, name := range slices.Sorted(maps.Keys(f.Args)) {
		if !slices.ContainsFunc(kind.args, func(arg faultArg) bool { return arg.name == name }) {
			return trap{}, fmt.Errorf("fault %s has no argument %q; %s", f.Name, name, kind.wants())
		}
	}
	for _, arg := range kind.args {
		text, given := f.Args[arg.name]
		if !given {
			text = arg.fallback
		}
		var err error
		if t.spans[arg.name], err = arg.parse(text); err != nil {
			return trap{}, fmt.Errorf("fault %s: %s=%s: %w", f.Name, arg.name, text, err)
		}
	}
	return t, nil
}

// wants says which arguments a fault takes.
func (k faultKind) wants() string {
	var names []string
	for _, arg := range k.args {
		names = append(names, arg.name)
	}
	if len(names) == 0 {
		return "it takes none"
	}
	return "it takes " + strings.Join(names, ", ")
}
