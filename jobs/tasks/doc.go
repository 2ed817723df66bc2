// Package tasks wakes the work that is owed, by way of asynq.
//
// The store decides what is owed; a task only says "look now". So a task
// carries little more than a batch's name, and a [Handler] must bear being
// called twice, late or never: it reads the store again and acts through
// guarded updates. Losing every task costs time and nothing else, because a
// sweeper derives them anew from the store.
//
//	queue, err := tasks.Open(ctx, tasks.Options{RedisURL: url, Logger: log})
//	err = queue.Start(handler)                         // never blocks
//	err = queue.EnqueueSubmit(ctx, batch, 1, time.Time{})
//	err = queue.Stop(ctx)                              // waits for handlers
//
// # Task ids
//
// asynq keeps an id taken as long as its task is waiting, running or waiting
// for a retry, and sometimes longer, after a crash. Ids are therefore made of
// what the task is about and a generation. Two callers that enqueue the same
// generation get one task, and a task that got stuck is overtaken by the next
// generation. A handler enqueues its successor under the next generation,
// never under its own, which is still taken.
//
// # Callbacks
//
// Deliveries to other programs' URLs may take long and are many. They have a
// queue and a server of their own ([Queue.HandleCallbacks]), and a handler that
// decides when its task runs again.
//
// # Queue servers
//
// With a Redis URL any number of processes share the work. Without one a
// miniredis inside the process serves, reached through memory: nothing listens
// and nobody else can reach it.
//
// # When Redis is away
//
// Redis may be absent at the start, die, hang, come back empty, answer too
// slowly (from about half a second), load, be full, read-only or guarded by
// another password. A supervisor asks it twice a second whether it takes
// tasks. While it does not, the asynq server is shut down (it would spin
// otherwise) and enqueueing fails with [ErrUnavailable]; handlers that are
// running go on for up to half a minute. Redis is asked again at least every
// five seconds, and when it is back everything is made anew. The state of the
// queue never stops a process from starting or from serving webhooks.
package tasks
