// Package listener protects a web server against clients that hold many
// connections open.
//
// A [Listener] wraps the net.Listener of an http.Server. It limits the number of
// open connections, and with it the file descriptors and the memory that they
// use:
//
//   - Below [Config.MaxConnections], every connection is accepted.
//   - At the limit, a new connection replaces the one that has waited longest for
//     its peer. Connections that are idle between two requests are closed first.
//     Next are those that have waited at least a fifth of a second for the rest
//     of a request or its headers, or to be closed. A request that has arrived
//     completely is never cut off. If a sender writes its request without delay,
//     it is therefore served even if many others hold their connections open.
//   - If no connection can be closed for half a second, because all of them are
//     being answered, the next few requests get a 503 immediately. Further
//     connections wait in the backlog of the kernel.
//
// [Listener.Guard] connects it with the server. If [Config.BodyStep] is set, it
// also cuts off slow bodies: in each step, [Config.MinBodyBytes] bytes or the end of
// the body must arrive. After a response with "Connection: close", it continues
// to read for up to a second and up to 512 KiB of the body, so that a sender that
// is refused early can read the reason. During that time the connection can be
// closed like one that waits to be closed.
//
// An error of Accept, such as too many open files, does not stop the server. The
// listener closes a connection that waits for its peer, logs the error at a
// limited rate and counts it. [Listener.RecentError] returns it for a while.
package listener
