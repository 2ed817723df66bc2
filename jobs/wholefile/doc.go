// Package wholefile writes a file completely or not at all. Readers of the name
// see the old content until the new content is complete and on disk.
//
// A file that is replaced keeps its mode, and its owner and group if the process
// is permitted to set them. If the name is a symbolic link, the file that the
// link names is written, and the link stays. Anything that is not a regular file,
// such as a device or a FIFO, cannot be replaced: [Resolve] and [Write] return
// [ErrNotRegular] for it.
package wholefile
