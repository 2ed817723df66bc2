package artifact

import (
	"mime"
	"strings"

	"shotline/jobs"
)

// extensions are the extensions of file names by media type.
var extensions = map[string]string{
	"image/png": "png", "image/jpeg": "jpg", "image/jpg": "jpg", "image/webp": "webp", "image/gif": "gif", "image/avif": "avif",
	"image/bmp": "bmp", "image/tiff": "tif", "image/svg+xml": "svg", "image/jxl": "jxl",
	"text/html": "html", "application/xhtml+xml": "html", "application/pdf": "pdf",
	"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "video/x-matroska": "mkv", "video/avi": "avi",
}

// Extension returns the extension, without a dot, of an output with a media type.
// An unknown type has the extension bin.
func Extension(output jobs.Output, mediaType string) string {
	if kind, _, err := mime.ParseMediaType(mediaType); err == nil {
		mediaType = kind
	}
	switch ext := extensions[mediaType]; {
	case output == jobs.OutputHTML:
		return "html" // whatever text it is
	case ext != "":
		return ext
	}
	return "bin"
}

// ExpectedExtension returns the extension that an output will probably have, by
// the parameters of its job and batch.
func ExpectedExtension(output jobs.Output, job, batch jobs.Params) string {
	name, usual := "", ""
	switch output {
	case jobs.OutputHTML:
		return "html"
	case jobs.OutputPDF:
		return "pdf"
	case jobs.OutputVideo:
		name, usual = "video_format", "mp4"
	default:
		name, usual = "format", "png"
	}
	value, given := job[name]
	if !given {
		value = batch[name]
	}
	format, _ := value.(string)
	format = strings.ToLower(strings.TrimSpace(format))
	switch {
	case format == "webmp": // the vendor's other name of webp
		return "webp"
	case extensions["image/"+format] != "":
		return extensions["image/"+format]
	case extensions["video/"+format] != "":
		return extensions["video/"+format]
	}
	return usual
}

// sameExtension are extensions that mean the same as that of the type.
var sameExtension = map[string]string{"jpeg": "jpg", "htm": "html", "tiff": "tif"}

// splitExtension splits the extension for a type from a name. The result ext has
// the dot. It is "" if the name has no extension or another one.
func splitExtension(name, want string) (stem, ext string) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name, ""
	}
	has := strings.ToLower(name[dot+1:])
	if has != want && !SameExtension(has, want) {
		return name, ""
	}
	return name[:dot], name[dot:]
}

// SameExtension reports whether an extension in lower case is another form of
// that of a type, such as jpeg of jpg.
func SameExtension(ext, want string) bool { return sameExtension[ext] == want && want != "" }
