// Package weburl reads the addresses of web pages as browsers read them.
//
// People keep URLs in spreadsheets, mails and chats, and browsers accept almost
// all of them: spaces and umlauts in a path, a host in capitals or in Chinese, a
// backslash instead of a slash. [Normalize] follows the URL standard of browsers
// (https://url.spec.whatwg.org), so that a job captures the page that a browser
// would open, and so that two texts for one page are recognized as equal.
//
// In two respects it is different. It accepts hosts without a scheme, because
// lists of hosts are common. And it refuses some texts that a browser would open,
// because a person who writes them almost certainly means something else, and
// every screenshot costs money: http:example.com, http://http://example.com, two
// URLs in one cell, control characters, and hosts that DNS cannot resolve.
package weburl
