package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
	"shotline/jobs/number"
)

const defaultReceiver = "http://127.0.0.1:8080" + WebhookPath

// maxTriggerBody is the largest file that trigger sends. It is far above the limit
// of the receiver, so that this can be tested, too.
const maxTriggerBody = 16 << 20

var (
	toFlag       = &cli.StringFlag{Name: "to", Value: defaultReceiver, Usage: "`URL` of the receiver"}
	dialectFlag  = &cli.StringFlag{Name: "dialect", Value: string(sandbox.DialectA), Usage: "wording and headers: A (guide) or B (product page)"}
	unsignedFlag = &cli.BoolFlag{Name: "unsigned", Usage: "send no signature; a receiver must refuse that"}
	badSignFlag  = &cli.BoolFlag{Name: "bad-signature", Usage: "sign with another secret; a receiver must refuse that"}
)

// triggerFields are the flags for the fields of a webhook, with the kinds of
// webhooks that have the field.
var triggerFields = []struct {
	flag  cli.Flag
	kinds []string
}{
	{&cli.StringFlag{Name: "id", DefaultText: "a number that no screenshot has", Usage: "`ID` of the screenshot or batch"}, []string{"completed", "failed", "batch"}},
	{&cli.StringFlag{Name: "status", DefaultText: "that of the dialect", Usage: "status `WORD`"}, []string{"completed", "failed", "batch"}},
	{&cli.StringFlag{Name: "url", Value: "https://example.com/", Usage: "`URL` of the page"}, []string{"completed", "failed"}},
	{&cli.StringFlag{Name: "image-url", DefaultText: "https://example.com/ID.png", Usage: "`URL` of the image"}, []string{"completed"}},
	{&cli.StringFlag{Name: "error", DefaultText: "page did not load", Usage: "`TEXT` of the reason; only dialect B has one"}, []string{"failed"}},
	{&cli.StringSliceFlag{Name: "metadata", Usage: "metadata `NAME=VALUE` (repeatable); only dialect B has them"}, []string{"completed", "failed"}},
	{&cli.IntFlag{Name: "count", Value: 1, Usage: "number of rows of the batch"}, []string{"batch"}},
	{&cli.IntFlag{Name: "failed", Usage: "number of its rows that failed"}, []string{"batch"}},
}

// dialectBFields are the flags for fields that only dialect B has.
var dialectBFields = []string{"error", "metadata"}

func triggerCommand() *cli.Command {
	flags := []cli.Flag{toFlag, secretFlag, dialectFlag, unsignedFlag, badSignFlag}
	for _, field := range triggerFields {
		flags = append(flags, field.flag)
	}
	return &cli.Command{
		Name:  "trigger",
		Usage: "send a signed test webhook to a receiver",
		Description: "trigger completed  says that a screenshot is finished\n" +
			"trigger failed     says that a screenshot failed\n" +
			"trigger batch      says that a batch of the vendor is finished\n" +
			"trigger raw FILE   signs and sends the bytes of FILE, or of standard input if FILE is -",
		ArgsUsage: "completed|failed|batch|raw FILE",
		Flags:     append(flags, configFlag),
		Action:    trigger,
	}
}

func trigger(c *cli.Context) error {
	dialect, err := sandbox.ParseDialect(c.String(dialectFlag.Name))
	if err != nil {
		return badUsage("--%s %q: want A or B", dialectFlag.Name, c.String(dialectFlag.Name))
	}
	w, about, err := triggered(c, dialect)
	if err != nil {
		return err
	}
	secret, err := signingSecret(c)
	if err != nil {
		return err
	}
	p := poster{to: c.String(toFlag.Name), dialect: dialect, secret: secret, flag: toFlag.Name}
	if err := p.check(); err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "%s to %s, %s\n", about, printable(p.to), number.Of(len(w.Body), "byte"))
	answer, err := p.post(c.Context, w)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c.App.Writer, answer.String()); err != nil {
		return err
	}
	return answer.result()
}

// triggered returns the webhook that the arguments name, and a description.
func triggered(c *cli.Context, dialect sandbox.Dialect) (w sandbox.Webhook, about string, err error) {
	kind := c.Args().First()
	if !slices.Contains([]string{"completed", "failed", "batch", "raw"}, kind) {
		return w, "", badUsage("trigger %q: want completed, failed, batch or raw FILE", kind)
	}
	for _, field := range triggerFields {
		switch name := field.flag.Names()[0]; {
		case !c.IsSet(name):
		case !slices.Contains(field.kinds, kind):
			return w, "", badUsage("--%s: trigger %s has no such field", name, kind)
		case dialect != sandbox.DialectB && slices.Contains(dialectBFields, name):
			return w, "", badUsage("--%s: only dialect B has this field: add --dialect B", name)
		}
	}
	if kind == "raw" {
		return rawWebhook(c)
	}
	if c.NArg() > 1 {
		return w, "", badUsage("trigger %s takes no further arguments, got %q", kind, c.Args().Get(1))
	}
	now := clock.Now()
	id := cmp.Or(c.String("id"), strconv.FormatInt(now.UnixMilli(), 10))
	if kind == "batch" {
		count, failed := c.Int("count"), c.Int("failed")
		if failed < 0 || count < failed {
			return w, "", badUsage("--failed %d of --count %d: want at least 0 and at most all", failed, count)
		}
		w = dialect.BatchWebhook(sandbox.BatchReport{ID: id, Status: c.String("status"), Count: count, Processed: count, Failed: failed,
			ZipURL: "https://example.com/" + id + ".zip", CreatedAt: now})
		return w, w.Event + " of batch " + printable(id), nil
	}
	report := sandbox.Report{ID: id, URL: c.String("url"), Status: c.String("status"), CreatedAt: now, Failed: kind == "failed"}
	if report.Failed {
		report.Error = cmp.Or(c.String("error"), "page did not load")
	} else {
		report.ImageURL, report.Width, report.Height = cmp.Or(c.String("image-url"), "https://example.com/"+id+".png"), 1280, 800
	}
	for _, given := range c.StringSlice("metadata") {
		name, value, found := strings.Cut(given, "=")
		if !found || name == "" {
			return w, "", badUsage("--metadata %q: want NAME=VALUE", given)
		}
		if report.Metadata == nil {
			report.Metadata = map[string]string{}
		}
		report.Metadata[name] = value
	}
	w = dialect.Webhook(report)
	return w, w.Event + " of screenshot " + printable(id), nil
}

// rawWebhook returns the bytes of a file, or of standard input, unchanged.
func rawWebhook(c *cli.Context) (w sandbox.Webhook, about string, err error) {
	if c.NArg() != 2 {
		return w, "", badUsage("trigger raw takes one FILE, or - for standard input, got %d", c.NArg()-1)
	}
	from, name := c.App.Reader, c.Args().Get(1)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return w, "", badUsage("%w", err)
		}
		defer file.Close()
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, maxTriggerBody+1))
	if err != nil {
		return w, "", badUsage("read %s: %w", name, err)
	}
	if len(body) > maxTriggerBody {
		return w, "", badUsage("%s has more than %d MiB", name, maxTriggerBody>>20)
	}
	return sandbox.Webhook{Event: eventOf(body), Body: body}, "the bytes of " + printable(name), nil
}

// eventOf returns the event of a body, for the event header. It is empty if the body
// has none or one that no header can hold.
func eventOf(body []byte) string {
	var named struct {
		Event string `json:"event"`
	}
	if json.Unmarshal(body, &named) != nil || strings.ContainsFunc(named.Event, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return named.Event
}

// signingSecret returns the secret to sign with: the first --webhook-secret, another
// one for --bad-signature, and the empty string for --unsigned.
func signingSecret(c *cli.Context) (string, error) {
	secrets := c.StringSlice(secretFlag.Name)
	switch unsigned, bad := c.Bool(unsignedFlag.Name), c.Bool(badSignFlag.Name); {
	case unsigned && bad:
		return "", badUsage("--%s and --%s exclude each other", unsignedFlag.Name, badSignFlag.Name)
	case unsigned:
		return "", nil
	case bad:
		return sandbox.WrongSecret(strings.Join(secrets, "")), nil
	case len(secrets) == 0 || secrets[0] == "":
		return "", badUsage("no webhook secret: set --%s or %s, or send it with --%s", secretFlag.Name, listVariables[secretFlag.Name], unsignedFlag.Name)
	}
	return secrets[0], nil
}

// answered is the response of a receiver.
type answered struct {
	status string
	code   int
	body   []byte
}

// maxAnswer is how many bytes of a response are printed.
const maxAnswer = 64 << 10

// String returns the status, and the lines of the body without control characters.
func (a answered) String() string {
	text := printable(a.status) + "\n"
	for line := range strings.Lines(string(a.body)) {
		text += printable(line) + "\n"
	}
	return text
}

// result returns nil if the response is 2xx.
func (a answered) result() error {
	if a.code >= http.StatusOK && a.code < http.StatusMultipleChoices {
		return nil
	}
	return &exitError{code: exitFailed}
}
