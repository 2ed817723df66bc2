package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// look enters the queues' names in asynq's set of them, KEYS[1], and tells the types
// of the keys that asynq keeps tasks in. It writes, as the scripts do that asynq takes
// tasks with: a Redis that is full, read-only, loading or forbids scripts refuses it,
// though it may answer a PING. ARGV are the queues' names; the keys are made here,
// since Redis reads no more than ten arguments from somebody without a password. Found
// are the type of the set, and for each queue those of queueKeys and how many tasks
// are archived.
var look = `
local function kind(key) return redis.call("TYPE", key)["ok"] end
local found = {kind(KEYS[1])}
if found[1] == "set" or found[1] == "none" then
	redis.call("SADD", KEYS[1], unpack(ARGV))
end
for _, queue in ipairs(ARGV) do
	local prefix = "asynq:{" .. queue .. "}:"
	for name in string.gmatch("` + namesOfKeys() + `", "%a+") do
		found[#found + 1] = kind(prefix .. name)
	end
	local archived = found[#found] == "zset" and redis.call("ZCARD", prefix .. "archived") or 0
	found[#found + 1] = tostring(archived)
end
return found`

// queuesKey is where asynq keeps the names of the queues there are.
const queuesKey = "asynq:queues"

// queueKeys are the keys of a queue, and the types that Redis knows them by. The
// archive is the last one.
var queueKeys = []struct{ name, kind string }{
	{"paused", "string"}, {"pending", "list"}, {"active", "list"}, {"lease", "zset"}, {"scheduled", "zset"}, {"retry", "zset"},
	{"completed", "zset"}, {"archived", "zset"},
}

func queueKey(queue, key string) string { return "asynq:{" + queue + "}:" + key }

func namesOfKeys() string {
	var names []string
	for _, key := range queueKeys {
		names = append(names, key.name)
	}
	return strings.Join(names, " ")
}

// judge says what keeps tasks from being run although the server is there, and how
// it is mended; nil when nothing does. found is what the script returned.
func judge(queues, found []string) error {
	if want := 1 + len(queues)*(len(queueKeys)+1); len(found) != want {
		return fmt.Errorf("the queue server told %d things of its keys, want %d", len(found), want)
	}
	var reasons []error
	wrong := func(key, kind, want string) {
		reasons = append(reasons, fmt.Errorf("key %q holds a %s, want a %s: something else writes to this Redis; "+
			"delete the key, or name another database in --redis-url", key, kind, want))
	}
	if kind := found[0]; !slices.Contains([]string{"none", "set"}, kind) {
		wrong(queuesKey, kind, "set")
	}
	for q, queue := range queues {
		types := found[1+q*(len(queueKeys)+1):]
		for i, key := range queueKeys {
			if types[i] != "none" && types[i] != key.kind {
				wrong(queueKey(queue, key.name), types[i], key.kind)
			}
		}
		if types[0] == "string" {
			reasons = append(reasons, fmt.Errorf("queue %[1]s is paused, so no task of it is run: "+
				"run \"asynq queue unpause %[1]s\", or delete the key %[2]q", queue, queueKey(queue, "paused")))
		}
		if n, err := strconv.Atoi(types[len(queueKeys)]); err != nil || n > 0 {
			reasons = append(reasons, fmt.Errorf("%d tasks of queue %[2]s are archived, so they are not run and their ids stay taken: "+
				"run \"asynq task deleteall --queue=%[2]s --state=archived\"; what they were for is enqueued again", n, queue))
		}
	}
	return errors.Join(reasons...)
}

// oneLine is what an error of several lines says.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
