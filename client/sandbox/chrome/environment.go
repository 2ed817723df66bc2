package chrome

import (
	"slices"
	"strings"
)

// allowedVariables are the environment variables that the browser gets: paths,
// the user's language, and network settings. The browser runs untrusted code, so
// it gets no others, in particular no secrets of this program.
var allowedVariables = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ",
	"LANG", "LANGUAGE", "LC_*", "XDG_*", "FONTCONFIG*",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
	"LD_LIBRARY_PATH", "CHROME_DEVEL_SANDBOX", "CHROMIUM_FLAGS",
	"http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}

// environment returns the variables of environ ("NAME=value") that the browser
// gets.
func environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.ContainsFunc(allowedVariables, func(allowed string) bool {
			start, open := strings.CutSuffix(allowed, "*")
			return name == allowed || open && strings.HasPrefix(name, start)
		})
	})
}
