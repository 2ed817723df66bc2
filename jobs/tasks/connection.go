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

// responseTimeout limits every wait for the queue server. Callers that enqueue a
// task should not be delayed for longer.
const responseTimeout = time.Second

// errURL does not quote the URL or an error that does, because the URL contains a
// password.
var errURL = errors.New("want redis://[user:password@]host[:port][/db], rediss:// for TLS, " +
	"redis-socket://[:password@]/path[?db=n] or redis-sentinel://[:password@]host[:port][,host…]?master=name")

// connection describes how to reach the queue server.
type connection struct {
	client      func(*connGroup) redis.UniversalClient // returns a client, which connects on first use
	description string                                 // for users, without a password
}

// CheckURL returns an error if Open would not accept the URL of a queue server.
func CheckURL(raw string) error {
	if raw == "" {
		return nil
	}
	_, err := parseURL(raw)
	return err
}

// parseURL parses a Redis URL of any type that asynq supports.
func parseURL(raw string) (connection, error) {
	raw, sentinels := splitSentinels(strings.TrimSpace(raw))
	parsed, err := asynq.ParseRedisURI(raw)
	if err != nil {
		return connection{}, fmt.Errorf("%s; %w", urlProblem(raw), errURL)
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

// urlProblem describes why a URL could not be parsed.
func urlProblem(raw string) string {
	scheme, _, found := strings.Cut(raw, "://")
	u, err := url.Parse(raw)
	switch {
	case !found:
		return "it has no scheme"
	case strings.ContainsAny(raw, " \t\r\n"):
		return "it contains a space or a line break"
	case !slices.Contains([]string{"redis", "rediss", "redis-socket", "redis-sentinel"}, scheme):
		return "its scheme is not one for Redis"
	case err != nil:
		return "it cannot be parsed (special characters in a password must be escaped, such as @ as %40)"
	case u.Scheme == "redis-socket" && u.Path == "":
		return "it contains no socket path"
	}
	return "its database is not a number"
}

// splitSentinels replaces the list of hosts in a sentinel URL with one host and
// returns the list. asynq parses the URL with net/url, which refuses more than
// one host with a port. Other URLs are returned unchanged.
func splitSentinels(raw string) (single string, sentinels []string) {
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
		opt.Username = u.User.Username() // asynq's parser drops the user name
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
		client:      func(conns *connGroup) redis.UniversalClient { return newClient(options, conns) },
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
		client: func(conns *connGroup) redis.UniversalClient {
			dialer := &net.Dialer{Timeout: responseTimeout, KeepAlive: 30 * time.Second}
			return redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: opt.MasterName, SentinelAddrs: addresses, SentinelPassword: opt.SentinelPassword,
				Dialer:      conns.wrap(dialer.DialContext),
				DialTimeout: responseTimeout, ReadTimeout: responseTimeout, WriteTimeout: responseTimeout, PoolTimeout: responseTimeout,
				ContextTimeoutEnabled: true, MaxRetries: 1, DialerRetries: 1, DisableIdentity: true,
			})
		},
		description: fmt.Sprintf("redis master %s by sentinels at %s", opt.MasterName, strings.Join(addresses, ", ")),
	}, nil
}

// newClient completes the options with timeouts, so that a lost server is
// detected within responseTimeout. asynq's own client options do not support
// these timeouts.
func newClient(options redis.Options, conns *connGroup) redis.UniversalClient {
	options.DialTimeout = responseTimeout
	options.ReadTimeout = responseTimeout
	options.WriteTimeout = responseTimeout
	options.PoolTimeout = responseTimeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = 1
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if options.Dialer == nil {
		options.Dialer = redis.NewDialer(&options)
	}
	options.Dialer = conns.wrap(options.Dialer)
	return redis.NewClient(&options)
}

// withPort adds the default port to a host without a port.
func withPort(address, port string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}
