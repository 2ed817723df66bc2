package tasks

import (
	"context"
	"slices"
	"strings"
)

// Examination is what Examine found out about a queue server.
type Examination struct {
	Description string   // of the server, without a password
	Policy      string   // maxmemory-policy; empty if the server does not tell
	Paused      []string // queues of this program that somebody has paused
}

// Examine connects to a queue server once. It changes nothing.
func Examine(ctx context.Context, url string) (e Examination, err error) {
	silenceRedis()
	conn, err := parseURL(url)
	if err != nil {
		return e, err
	}
	e.Description = conn.description
	conns := newConnGroup()
	defer conns.closeAll()
	client := conn.client(conns)
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return e, err
	}
	if found, err := client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil { // hosted servers may forbid it
		e.Policy = found["maxmemory-policy"]
	}
	names, err := client.SMembers(ctx, queuesKey).Result()
	if err != nil {
		return e, err
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "shotline") {
			continue
		}
		n, err := client.Exists(ctx, queueKey(name, "paused")).Result()
		if err != nil {
			return e, err
		}
		if n > 0 {
			e.Paused = append(e.Paused, name)
		}
	}
	return e, nil
}
