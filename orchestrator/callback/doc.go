// Package callback tells other programs what happened: each event of the log is
// POSTed to the callback URL of its job or batch, and to the sinks of the
// configuration that want it.
//
//	courier, err := callback.New(config, parts)
//	queue.HandleCallbacks(courier)
//	err = courier.Open(ctx)  // from now on no event is missed
//	courier.Start()
//
// Readers, one for all callback URLs and one for each sink, turn events into
// callbacks that are owed, behind a cursor in the store; nothing is added to the
// transactions that close jobs. A callback keeps its id and its body through all
// attempts. What is owed and when is decided in the store; a task only says "try
// it now", and losing all tasks costs ten seconds.
//
// A callback is delivered when its target answers 2xx, dead when it answers 410
// or has not taken it for as long as Config.Retry says, and tried again
// otherwise, at growing intervals. Each lane (a sink, or the host of a URL) has few
// attempts at a time. A lane whose target has taken nothing yet, or fails, has one.
// Such lanes, and slow ones, share half of all slots and wait in line for them. In
// the line the registered domains of the hosts take turns: a proven target always
// finds the other half, and a new one waits for one attempt of each domain at most.
//
// Callbacks are signed as Standard Webhooks asks. The addresses of sinks are
// secrets of the configuration: they are not kept, logged or told.
package callback
