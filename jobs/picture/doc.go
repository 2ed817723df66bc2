// Package picture compares two pictures of a page.
//
// [Comparer.Compare] counts the pixels that look different. Each pixel is compared
// by the distance of its colors in the YIQ space, which follows what people see.
// Pictures of different sizes are compared on the smallest canvas that has room
// for both, from the top left corner; what only one of them covers has changed.
//
// It does not use a library for this: a perceptual hash of 64 bits does not see a
// changed price on a long page, and the port of pixelmatch to Go has no release,
// accepts only pictures of one size, and needs four bytes per pixel for its result.
package picture
