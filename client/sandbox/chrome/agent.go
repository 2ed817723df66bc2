package chrome

import (
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/emulation"
)

// chromeVersion finds the version in the user agent of Chrome and related
// browsers.
var chromeVersion = regexp.MustCompile(`Chrom(?:e|ium)/((\d+)[\d.]*)`)

// systems are the operating systems in user agents. Android must come before
// Linux, because user agents of Android contain both names.
var systems = []struct{ word, name, version, platform string }{
	{"iPhone", "iOS", "", "iPhone"},
	{"iPad", "iOS", "", "iPad"},
	{"Android", "Android", "14.0.0", "Linux armv81"},
	{"Windows", "Windows", "10.0.0", "Win32"},
	{"Macintosh", "macOS", "14.0.0", "MacIntel"},
	{"CrOS", "Chrome OS", "", "Linux x86_64"},
	{"Linux", "Linux", "", "Linux x86_64"},
}

// agentPlatform returns the value of navigator.platform for a user agent. If it
// is empty, the browser keeps its own value.
func agentPlatform(agent string) string {
	for _, s := range systems {
		if strings.Contains(agent, s.word) {
			return s.platform
		}
	}
	return ""
}

// agentMetadata returns client hints that are consistent with the user agent.
// Only Chrome and related browsers send client hints. For other user agents
// agentMetadata returns nil, and the browser sends none.
func agentMetadata(agent string, mobile bool) *emulation.UserAgentMetadata {
	version := chromeVersion.FindStringSubmatch(agent)
	if version == nil {
		return nil
	}
	name := "Google Chrome"
	if strings.Contains(agent, "Edg/") {
		name = "Microsoft Edge"
	}
	hints := &emulation.UserAgentMetadata{
		Brands:          brands(name, version[2], "99"),
		FullVersionList: brands(name, version[1], "99.0.0.0"),
		Architecture:    "x86", Bitness: "64",
		Mobile: mobile || strings.Contains(agent, "Mobile"),
	}
	for _, s := range systems {
		if strings.Contains(agent, s.word) {
			hints.Platform, hints.PlatformVersion = s.name, s.version
			break
		}
	}
	if hints.Mobile {
		hints.Architecture, hints.Bitness = "", ""
	}
	return hints
}

// brands returns the brand list of a browser: its engine, its name, and the
// meaningless third brand that prevents servers from relying on the list's
// format.
func brands(name, version, other string) []*emulation.UserAgentBrandVersion {
	return []*emulation.UserAgentBrandVersion{
		{Brand: "Chromium", Version: version},
		{Brand: name, Version: version},
		{Brand: "Not_A Brand", Version: other},
	}
}
