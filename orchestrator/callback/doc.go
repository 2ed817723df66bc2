// Package callback POSTs events to other programs: to the callback URL of the job
// or batch, and to the sinks of the configuration that want the event.
//
//	deliverer, err := callback.New(config, parts)
//	queue.HandleCallbacks(deliverer)
//	err = deliverer.Open(ctx) // from now on no event is missed
//	deliverer.Start()
//
// Readers turn events of the log into callbacks. There is one reader for all
// callback URLs and one for each sink, each with a cursor in the store. So the
// transactions that close jobs have no additional work. A callback keeps its id
// and its body through all attempts. The store decides which callbacks are due; a
// task only requests an attempt. If all tasks are lost, callbacks are ten seconds
// late.
//
// A callback is delivered if its target answers 2xx. It is dead if the target
// answers 410, or if it was not accepted within Config.Retry. Otherwise it is
// retried, at growing intervals. It might arrive twice, because the process might
// crash before it has stored the result.
//
// A lane is a sink, or the scheme and host of a URL. Each lane makes few attempts
// at a time, and only one as long as its target has accepted nothing or keeps
// failing. Such lanes, and slow ones, share half of all slots and wait for them
// in a queue. In that queue the registered domains of the hosts take turns. So a
// target that has accepted a callback always finds the other half of the slots,
// and a new target waits for at most one attempt of each domain.
//
// Callbacks are signed as Standard Webhooks specifies. The URLs of sinks are
// secrets: they are not stored, logged or returned in errors.
package callback
