// Package listener keeps strangers from filling a web server.
//
// A [Listener] stands between a net.Listener and an http.Server. It bounds how
// many connections are open, and so how many file descriptors and how much memory
// they take:
//
//   - Below [Config.Most] each connection is accepted.
//   - At the limit a new connection takes the place of the one that has waited
//     longest for its peer: of one that is idle between two requests, else of one
//     that has waited for a fifth of a second for the rest of a request or of its
//     headers, or to be closed. A request that has come as a whole is never cut
//     off. A sender that writes its request at once therefore gets through, however
//     many others hold their connections open.
//   - If no connection can make room for half a second, because all of them are
//     being answered, the next few requests are answered 503 at once, and those
//     after them wait in the backlog of the kernel.
//
// [Listener.Guard] joins it with the server. With [Config.BodyStep] it also cuts
// off slow bodies: each step must bring [Config.BodyLeast] bytes or the end.
// After an answer with "Connection: close" it reads on for a second, and up to
// 512 KiB of the body, so that a sender that is refused early can read why.
// Meanwhile the connection makes room like one that waits to be closed.
//
// An error of accept, such as too many open files, does not end the server. It
// frees a connection that waits for its peer, is logged at a bounded rate and
// counted, and shows in [Listener.Trouble] for a while.
package listener
