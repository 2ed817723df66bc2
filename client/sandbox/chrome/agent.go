package chrome

import (
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/emulation"
)

// chromeVersion finds the version in the user agent of Chrome and its kin.
var chromeVersion = regexp.MustCompile(`Chrom(?:e|ium)/((\d+)[\d.]*)`)

// systems are the operating systems that a user agent may name. Android comes
// before Linux, which its user agents name too.
var systems = []struct{ word, name, version, platform string }{
	{"iPhone", "iOS", "", "iPhone"},
	{"iPad", "iOS", "", "iPad"},
	{"Android", "Android", "14.0.0", "Linux armv81"},
	{"Windows", "Windows", "10.0.0", "Win32"},
	{"Macintosh", "macOS", "14.0.0", "MacIntel"},
	{"CrOS", "Chrome OS", "", "Linux x86_64"},
	{"Linux", "Linux", "", "Linux x86_64"},
}

// agentPlatform is what navigator.platform says in a browser with this user
// agent; empty leaves the browser's own.
func agentPlatform(agent string) string {
	for _, s := range systems {
		if strings.Contains(agent, s.word) {
			return s.platform
		}
	}
	return ""
}

// agentMetadata are the client hints that fit the user agent, so that the two
// do not contradict each other. Only Chrome and its kin send them: nil makes
// the browser send none with a user agent that was asked for.
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

// brands lists a browser with its engine and the meaningless third brand that
// keeps servers from relying on the list's form.
func brands(name, version, other string) []*emulation.UserAgentBrandVersion {
	return []*emulation.UserAgentBrandVersion{
		{Brand: "Chromium", Version: version},
		{Brand: name, Version: version},
		{Brand: "Not_A Brand", Version: other},
	}
}
