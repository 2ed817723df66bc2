package chrome

import (
	"slices"
	"strings"
)

// passed are the variables that a browser is given: where things are, the
// user's language, and how to reach the network. It runs what strangers wrote,
// so everything else, the secrets of this program first of all, stays outside.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ",
	"LANG", "LANGUAGE", "LC_*", "XDG_*", "FONTCONFIG*",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
	"LD_LIBRARY_PATH", "CHROME_DEVEL_SANDBOX", "CHROMIUM_FLAGS",
	"http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}

// environment is what of environ ("NAME=value") the browser gets to see.
func environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.ContainsFunc(passed, func(allowed string) bool {
			start, open := strings.CutSuffix(allowed, "*")
			return name == allowed || open && strings.HasPrefix(name, start)
		})
	})
}
