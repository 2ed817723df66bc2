package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shotline/jobs/number"
)

// inspectScript adds the names of the queues to asynq's set of queues, KEYS[1],
// and returns the types of the keys in which asynq keeps tasks. It writes, like
// the scripts with which asynq takes tasks. It therefore fails if Redis is full,
// read-only, loading or forbids scripts, although such a Redis might still
// respond to PING. ARGV contains the names of the queues. The script builds the
// other keys itself, because Redis reads no more than ten arguments from a client
// without a password. The result is the type of the set, followed by the types of
// queueKeys and the number of archived tasks for each queue.
var inspectScript = `
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

// queuesKey is the key of asynq's set of queue names.
const queuesKey = "asynq:queues"

// queueKeys are the keys of a queue with their types in Redis. The archive must
// be the last one.
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

// diagnose returns an error if tasks are not run although the server is
// available. The error describes the reason and the remedy. The parameter found
// is the result of inspectScript.
func diagnose(queues, found []string) error {
	if want := 1 + len(queues)*(len(queueKeys)+1); len(found) != want {
		return fmt.Errorf("the queue server returned %d values about its keys, want %d", len(found), want)
	}
	var reasons []error
	addWrongType := func(key, kind, want string) {
		reasons = append(reasons, fmt.Errorf("key %q has the type %s, want %s: another program writes to this Redis; "+
			"delete the key, or use another database in --redis-url", key, kind, want))
	}
	if kind := found[0]; !slices.Contains([]string{"none", "set"}, kind) {
		addWrongType(queuesKey, kind, "set")
	}
	for q, queue := range queues {
		types := found[1+q*(len(queueKeys)+1):]
		for i, key := range queueKeys {
			if types[i] != "none" && types[i] != key.kind {
				addWrongType(queueKey(queue, key.name), types[i], key.kind)
			}
		}
		if types[0] == "string" {
			reasons = append(reasons, fmt.Errorf("queue %[1]s is paused, so its tasks are not run: "+
				"run \"asynq queue unpause %[1]s\", or delete the key %[2]q", queue, queueKey(queue, "paused")))
		}
		if n, err := strconv.Atoi(types[len(queueKeys)]); err != nil || n > 0 {
			reasons = append(reasons, fmt.Errorf("queue %[2]s has %[1]s; these are not run, and their ids stay in use: "+
				"run \"asynq task deleteall --queue=%[2]s --state=archived\"; their work is enqueued again", number.Of(n, "archived task"), queue))
		}
	}
	return errors.Join(reasons...)
}

// oneLine returns the text of an error with several lines as one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
