// Package tasks triggers pending work through asynq.
//
// The store decides which work is pending. A task is only a hint to read the
// store. It therefore contains little more than the name of a batch, and a
// [Handler] must tolerate calls that are repeated, late or missing: it reads the
// store again and acts through guarded updates. Losing all tasks costs only time,
// because a sweeper derives them again from the store.
//
//	queue, err := tasks.Open(ctx, tasks.Options{RedisURL: url, Logger: log})
//	err = queue.Start(handler)                         // never blocks
//	err = queue.EnqueueSubmit(ctx, batch, 1, time.Time{})
//	err = queue.Stop(ctx)                              // waits for handlers
//
// # Task ids
//
// In asynq, an id is in use as long as its task is waiting, running or waiting
// for a retry, and sometimes longer after a crash. Ids therefore consist of the
// subject of the task and a generation. If two callers enqueue the same
// generation, there is one task. If a task is stuck, the next generation can run
// in spite of it. A handler must enqueue its successor with the next generation,
// because its own is still in use.
//
// # Callbacks
//
// Deliveries to other programs' URLs are numerous and can take long. They have
// their own queue and server ([Queue.HandleCallbacks]), and their handler decides
// when a task runs again.
//
// # Queue servers
//
// With a Redis URL, any number of processes can share the work. Without one, a
// miniredis inside the process is used. Its connections are in memory, so it does
// not listen on a port and other processes cannot reach it.
//
// # Redis outages
//
// Redis can be absent at the start, crash, hang, restart without data, respond
// too slowly (from about half a second), or be loading, full, read-only or
// protected by another password. A supervisor checks twice a second whether Redis
// accepts tasks. If it does not, the asynq server is shut down, because it would
// retry in a busy loop otherwise, and enqueueing fails with [ErrUnavailable].
// Handlers that are running can continue for up to half a minute. The supervisor
// checks Redis again at least every five seconds. When Redis is available again,
// everything is created again. An outage never prevents a process from starting
// or from receiving webhooks.
package tasks
