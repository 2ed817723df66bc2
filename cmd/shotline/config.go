package main

import (
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator"
	"shotline/orchestrator/api"
)

// Flags that several commands share. The value of a flag comes from the command
// line, the environment, or the file of --config, in this order of precedence.
var (
	configFlag = &cli.StringFlag{Name: "config", EnvVars: []string{"SHOTLINE_CONFIG"}, Usage: "read defaults of flags from a YAML `FILE` (flag names as keys)"}
	dbFlag     = &cli.StringFlag{Name: "db", EnvVars: []string{"SHOTLINE_DB"}, Value: "shotline.db", Usage: "the SQLite `FILE` that holds all data"}
	jsonFlag   = &cli.BoolFlag{Name: "json", Usage: "print JSON, one object per line"}
	logFlag    = &cli.StringFlag{Name: "log-level", EnvVars: []string{"SHOTLINE_LOG_LEVEL"}, Usage: "least `LEVEL` of logged messages: debug, info, warn or error"}

	apiKeyFlag  = &cli.StringFlag{Name: "api-key", EnvVars: []string{"SCREENSHOTCENTER_API_KEY"}, Usage: "ScreenshotCenter API `KEY`"}
	baseURLFlag = &cli.StringFlag{Name: "base-url", EnvVars: []string{"SCREENSHOTCENTER_BASE_URL"}, Value: client.DefaultBaseURL, Usage: "`URL` of the API, or of a sandbox"}
	appIDFlag   = &cli.StringSliceFlag{Name: "app-id", Usage: "webhook app to notify: `ID` or ID=path-template (repeatable)"}

	secretFlag      = &cli.StringSliceFlag{Name: "webhook-secret", Usage: "`SECRET` that signs webhooks (repeatable: give the new and the old one during a rotation; prefer the environment, because ps shows flags)"}
	headerFlag      = &cli.StringSliceFlag{Name: "signature-header", Usage: "additional `HEADER` that can hold the signature (repeatable)"}
	insecureFlag    = &cli.BoolFlag{Name: "insecure-no-secret", Usage: "accept webhooks without a signature; anybody can then close jobs"}
	listenFlag      = &cli.StringFlag{Name: "listen", EnvVars: []string{"SHOTLINE_LISTEN"}, Value: "127.0.0.1:8080", Usage: "`ADDRESS` for webhooks and /healthz (with PORT set and no flag: all interfaces, that port)"}
	webhookPathFlag = &cli.StringFlag{Name: "webhook-path", EnvVars: []string{"SHOTLINE_WEBHOOK_PATH"}, Value: WebhookPath, Usage: "`PATH` that webhooks are accepted at"}
	apiListenFlag   = &cli.StringFlag{Name: "api-listen", EnvVars: []string{"SHOTLINE_API_LISTEN"}, Value: "127.0.0.1:8081", Usage: "`ADDRESS` of the HTTP API, with /readyz and /metrics; empty: none"}
	apiTokenFlag    = &cli.StringSliceFlag{Name: "api-token", Usage: "token that the API accepts: `NAME:ro|rw:sha256:HEX`, from shotline token (repeatable; required unless --api-listen is a loopback address)"}
	apiHostFlag     = &cli.StringSliceFlag{Name: "api-host", Usage: "host `NAME` that the API accepts, such as that of a reverse proxy (repeatable; needs tokens)"}
	apiRateFlag     = &cli.StringFlag{Name: "api-rate", EnvVars: []string{"SHOTLINE_API_RATE"}, DefaultText: "none on loopback, else 50/s", Usage: "rate limit of each token: `N/s` or N/m"}
	apiMaxBatchFlag = &cli.IntFlag{Name: "api-max-batch", EnvVars: []string{"SHOTLINE_API_MAX_BATCH"}, Value: api.DefaultMaxBatch >> 20, Usage: "largest request body of a batch, in `MIB`"}
	imageDirFlag    = &cli.StringFlag{Name: "image-dir", EnvVars: []string{"SHOTLINE_IMAGE_DIR"}, Usage: "cache images in this `DIR` after the API has downloaded them; empty: download them each time"}
	imageModeFlag   = &cli.StringFlag{Name: "image-mode", EnvVars: []string{"SHOTLINE_IMAGE_MODE"}, Value: "0600", Usage: "permissions of the files of images: `MODE` such as 0640; users who can read them can also enter their folders"}
	redisFlag       = &cli.StringFlag{Name: "redis-url", EnvVars: []string{"SHOTLINE_REDIS_URL"}, Usage: "`URL` of the Redis for tasks (redis, rediss, redis-socket, redis-sentinel); empty: an embedded queue"}

	jobTimeoutFlag     = &cli.DurationFlag{Name: "job-timeout", EnvVars: []string{"SHOTLINE_JOB_TIMEOUT"}, Value: 10 * time.Minute, Usage: "how long to wait for a webhook before querying the vendor"}
	deadlineGraceFlag  = &cli.DurationFlag{Name: "deadline-grace", EnvVars: []string{"SHOTLINE_DEADLINE_GRACE"}, Value: 10 * time.Minute, Usage: "how much longer to wait while the vendor is still working"}
	requestTimeoutFlag = &cli.DurationFlag{Name: "request-timeout", EnvVars: []string{"SHOTLINE_REQUEST_TIMEOUT"}, Value: orchestrator.DefaultRequestTimeout, Usage: "time limit of one vendor call"}
	auditWindowFlag    = &cli.DurationFlag{Name: "audit-window", EnvVars: []string{"SHOTLINE_AUDIT_WINDOW"}, Value: orchestrator.DefaultAuditWindow, Usage: "how long after its end a batch is checked for double charges; 0s: never"}
	settleFlag         = &cli.DurationFlag{Name: "settle", EnvVars: []string{"SHOTLINE_SETTLE"}, Value: 10 * time.Second, Usage: "how long to look up a create whose response was lost before resending it"}
	concurrencyFlag    = &cli.IntFlag{Name: "concurrency", EnvVars: []string{"SHOTLINE_CONCURRENCY"}, DefaultText: "adaptive", Usage: "creates in progress at a time"}
	rateFlag           = &cli.Float64Flag{Name: "rate", EnvVars: []string{"SHOTLINE_RATE"}, DefaultText: "no limit", Usage: "creates per second"}

	keepForeignFlag    = &cli.DurationFlag{Name: "keep-foreign", EnvVars: []string{"SHOTLINE_KEEP_FOREIGN"}, Value: orchestrator.DefaultKeepForeign, Usage: "how long to keep webhooks that changed no job (at most 100000 of each kind)"}
	keepDeliveriesFlag = &cli.DurationFlag{Name: "keep-deliveries", EnvVars: []string{"SHOTLINE_KEEP_DELIVERIES"}, Value: orchestrator.DefaultKeepDeliveries, Usage: "how long to keep applied webhooks"}
	keepEventsFlag     = &cli.DurationFlag{Name: "keep-events", EnvVars: []string{"SHOTLINE_KEEP_EVENTS"}, Value: orchestrator.DefaultKeepEvents, Usage: "how long to keep events of finished batches, and summaries that newer ones have replaced"}
)

// listVariables are the environment variables of repeatable flags. In a variable,
// commas separate the values. In a flag, a comma is part of the value.
var listVariables = map[string]string{
	"api-host":         "SHOTLINE_API_HOST",
	"api-token":        "SHOTLINE_API_TOKEN",
	"app-id":           "SCREENSHOTCENTER_APP_ID",
	"webhook-secret":   "WEBHOOK_SECRET",
	"signature-header": "SHOTLINE_SIGNATURE_HEADER",
	"callback-secret":  "SHOTLINE_CALLBACK_SECRET",
	"sink":             "SHOTLINE_SINK",
	"allow-private":    "SHOTLINE_ALLOW_PRIVATE",
}

func storeFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat([]cli.Flag{dbFlag}, more, []cli.Flag{configFlag})
}

// workFlags returns the flags of commands that call the vendor and receive
// webhooks.
func workFlags() []cli.Flag {
	return []cli.Flag{
		apiKeyFlag, baseURLFlag, appIDFlag, secretFlag, headerFlag, insecureFlag, listenFlag, webhookPathFlag, redisFlag,
		jobTimeoutFlag, deadlineGraceFlag, requestTimeoutFlag, settleFlag, concurrencyFlag, rateFlag, dailyBudgetFlag, logFlag,
	}
}

// apps parses --app-id: ID or ID=path-template.
func apps(c *cli.Context) ([]jobs.App, error) {
	var found []jobs.App
	for _, value := range c.StringSlice(appIDFlag.Name) {
		app := jobs.ParseApp(value)
		if app.ID == "" {
			return nil, badUsage("--app-id %q: the id is missing", value)
		}
		found = append(found, app)
	}
	return found, nil
}

// apiKey returns the vendor's API key. It returns an error if there is none.
func apiKey(c *cli.Context) (string, error) {
	key := trimSpace(c.String(apiKeyFlag.Name))
	if key == "" {
		return "", badUsage("no API key: set --api-key or SCREENSHOTCENTER_API_KEY")
	}
	return key, nil
}

// listenAddress returns the address for webhooks. If --listen is not set, it uses
// the port in PORT, which hosting platforms set.
func listenAddress(c *cli.Context) string {
	if port := trimSpace(os.Getenv("PORT")); port != "" && !c.IsSet(listenFlag.Name) {
		return ":" + port
	}
	return c.String(listenFlag.Name)
}

// oneArgument returns the argument of a command that takes exactly one.
func oneArgument(c *cli.Context, noun string) (string, error) {
	switch {
	case c.NArg() == 0, c.NArg() == 1 && c.Args().First() == "":
		return "", badUsage("%s: %s is missing", c.Command.Name, noun)
	case c.NArg() == 1:
		return c.Args().First(), nil
	default:
		return "", badUsage("%s takes %s, got %d arguments", c.Command.Name, noun, c.NArg())
	}
}
