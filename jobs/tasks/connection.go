package tasks

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// answerWithin bounds every wait for the queue server. Whoever enqueues has
// better things to do than to wait for a clock.
const answerWithin = time.Second

// errURL never quotes the URL, nor an error that does: it holds a password.
var errURL = errors.New("want redis://[user:password@]host[:port][/db], rediss:// for TLS, " +
	"redis-socket://[:password@]/path[?db=n] or redis-sentinel://[:password@]host[:port][,host…]?master=name")

// connection is how the queue server is reached and spoken of.
type connection struct {
	client      func(*line) redis.UniversalClient // makes a client; it connects lazily
	description string                            // for people, without a password
}

// CheckURL says what is wrong with the URL of a queue server, nil when Open takes it.
func CheckURL(raw string) error {
	if raw == "" {
		return nil
	}
	_, err := parseURL(raw)
	return err
}

// parseURL reads a Redis URL of any kind that asynq knows.
func parseURL(raw string) (connection, error) {
	raw, sentinels := cutSentinels(strings.TrimSpace(raw))
	parsed, err := asynq.ParseRedisURI(raw)
	if err != nil {
		return connection{}, fmt.Errorf("%s; %w", flaw(raw), errURL)
	}
	switch opt := parsed.(type) {
	case asynq.RedisClientOpt:
		return direct(raw, opt)
	case asynq.RedisFailoverClientOpt:
		return sentinel(opt, sentinels)
	default:
		return connection{}, errURL
	}
}

// flaw says what is wrong with a URL that could not be read.
func flaw(raw string) string {
	scheme, _, found := strings.Cut(raw, "://")
	u, err := url.Parse(raw)
	switch {
	case !found:
		return "it has no scheme"
	case strings.ContainsAny(raw, " \t\r\n"):
		return "it holds a space or a line end"
	case !slices.Contains([]string{"redis", "rediss", "redis-socket", "redis-sentinel"}, scheme):
		return "its scheme is none of a Redis"
	case err != nil:
		return "it cannot be parsed (in a password write %40 for @, and so on)"
	case u.Scheme == "redis-socket" && u.Path == "":
		return "it names no socket"
	}
	return "its database is not a number"
}

// cutSentinels takes the list of hosts out of a sentinel URL: net/url refuses
// more than one host with a port, and asynq relies on it. Other URLs come back
// as they are.
func cutSentinels(raw string) (single string, sentinels []string) {
	const scheme = "redis-sentinel://"
	rest, found := strings.CutPrefix(raw, scheme)
	if !found {
		return raw, nil
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	start := strings.LastIndex(rest[:end], "@") + 1
	return scheme + rest[:start] + "sentinels" + rest[end:], strings.Split(rest[start:end], ",")
}

func direct(raw string, opt asynq.RedisClientOpt) (connection, error) {
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		opt.Username = u.User.Username() // asynq's parser drops it
	}
	if opt.Addr == "" || opt.DB < 0 {
		return connection{}, errURL
	}
	if opt.Network != "unix" {
		opt.Addr = withPort(opt.Addr, "6379")
	}
	options := redis.Options{
		Network: opt.Network, Addr: opt.Addr, Username: opt.Username, Password: opt.Password, DB: opt.DB, TLSConfig: opt.TLSConfig,
	}
	secured := ""
	if opt.TLSConfig != nil {
		secured = " with TLS"
	}
	return connection{
		client:      func(l *line) redis.UniversalClient { return newClient(options, l) },
		description: fmt.Sprintf("redis at %s db %d%s", opt.Addr, opt.DB, secured),
	}, nil
}

func sentinel(opt asynq.RedisFailoverClientOpt, sentinels []string) (connection, error) {
	if opt.MasterName == "" {
		return connection{}, errURL
	}
	addresses := make([]string, len(sentinels))
	for i, address := range sentinels {
		if address == "" {
			return connection{}, errURL
		}
		addresses[i] = withPort(address, "26379")
	}
	return connection{
		client: func(l *line) redis.UniversalClient {
			dialer := &net.Dialer{Timeout: answerWithin, KeepAlive: 30 * time.Second}
			return redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: opt.MasterName, SentinelAddrs: addresses, SentinelPassword: opt.SentinelPassword,
				Dialer:      l.through(dialer.DialContext),
				DialTimeout: answerWithin, ReadTimeout: answerWithin, WriteTimeout: answerWithin, PoolTimeout: answerWithin,
				ContextTimeoutEnabled: true, MaxRetries: 1, DialerRetries: 1, DisableIdentity: true,
			})
		},
		description: fmt.Sprintf("redis master %s by sentinels at %s", opt.MasterName, strings.Join(addresses, ", ")),
	}, nil
}

// newClient completes options with the limits that make a lost server show
// within answerWithin. asynq's own client options leave no room for them.
func newClient(options redis.Options, l *line) redis.UniversalClient {
	options.DialTimeout = answerWithin
	options.ReadTimeout = answerWithin
	options.WriteTimeout = answerWithin
	options.PoolTimeout = answerWithin
	options.ContextTimeoutEnabled = true
	options.MaxRetries = 1
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if options.Dialer == nil {
		options.Dialer = redis.NewDialer(&options)
	}
	options.Dialer = l.through(options.Dialer)
	return redis.NewClient(&options)
}

// withPort adds the usual port to a host without one.
func withPort(address, port string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}
