package weburl

import (
	"strings"
	"unicode"
)

// invisible are characters without ink that are not spaces: marks and fillers that
// are copied together with a URL from web pages, chats and documents. Variation
// selectors and tags are not among them, because they are parts of emojis.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x034f, Stride: 0x034f - 0x00ad}, // soft hyphen, grapheme joiner
		{Lo: 0x061c, Hi: 0x061c, Stride: 1},               // Arabic letter mark
		{Lo: 0x115f, Hi: 0x1160, Stride: 1},               // Hangul fillers
		{Lo: 0x180e, Hi: 0x180e, Stride: 1},               // Mongolian vowel separator
		{Lo: 0x200b, Hi: 0x200f, Stride: 1},               // zero width, direction marks
		{Lo: 0x202a, Hi: 0x202e, Stride: 1},               // direction embeddings
		{Lo: 0x2060, Hi: 0x206f, Stride: 1},               // word joiner, direction isolates
		{Lo: 0x2800, Hi: 0x2800, Stride: 1},               // blank Braille pattern
		{Lo: 0x3164, Hi: 0x3164, Stride: 1},               // Hangul filler
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},               // byte order mark
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1},               // Hangul filler
		{Lo: 0xfff9, Hi: 0xfffc, Stride: 1},               // interlinear annotations, object replacement
	},
}

// Trim removes spaces, control characters and invisible characters at the ends of
// a text.
func Trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f && (unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(invisible, r))
	})
}

// trim also removes angle brackets around the text, as in e-mails.
func trim(text string) string {
	s := Trim(text)
	if inner, found := strings.CutPrefix(s, "<"); found {
		if inner, found = strings.CutSuffix(inner, ">"); found {
			return Trim(inner)
		}
	}
	return s
}
