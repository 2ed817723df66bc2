package main

import (
	"io/fs"
	"net"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/orchestrator/api"
)

// defaultRate is the default of --api-rate, in requests per second, if the API is
// not on a loopback address.
const defaultRate = 50

// apiFlags returns the flags of commands that serve the API.
func apiFlags() []cli.Flag {
	return []cli.Flag{apiListenFlag, apiTokenFlag, apiHostFlag, apiRateFlag, apiMaxBatchFlag, maxRowsFlag, imageDirFlag, imageModeFlag}
}

// apiSettings is the configuration of the API: its address, access and limits.
type apiSettings struct {
	listen string // empty if there is no API
	access api.Access
	// maxBatch is the size limit of the request body of a batch, in bytes.
	maxBatch int64
	maxRows  int    // per batch
	imageDir string // cache for images; empty if images are not cached
	// imageMode is the mode of cached images.
	imageMode fs.FileMode
}

func apiSettingsFrom(c *cli.Context) (apiSettings, error) {
	set := apiSettings{listen: c.String(apiListenFlag.Name)}
	if set.listen == "" {
		return set, nil
	}
	if _, _, err := net.SplitHostPort(set.listen); err != nil {
		return set, badUsage("--%s %q: want HOST:PORT, such as 127.0.0.1:8080", apiListenFlag.Name, set.listen)
	}
	set.access.Loopback = isLoopback(set.listen)
	mib := c.Int(apiMaxBatchFlag.Name)
	if mib <= 0 || mib > 1<<20 {
		return set, badUsage("--%s %d: want a number of MiB above zero", apiMaxBatchFlag.Name, mib)
	}
	set.maxBatch, set.imageDir = int64(mib)<<20, c.String(imageDirFlag.Name)
	var err error
	if set.imageMode, err = imageMode(c); err != nil {
		return set, err
	}
	if set.maxRows, err = maxRows(c); err != nil {
		return set, err
	}
	names := map[string]bool{}
	for _, given := range c.StringSlice(apiTokenFlag.Name) {
		token, err := api.ParseToken(strings.TrimSpace(given))
		if err != nil {
			return set, badUsage("--%s: %w", apiTokenFlag.Name, err)
		}
		if names[token.Name] {
			return set, badUsage("--%s: two tokens are named %s", apiTokenFlag.Name, token.Name)
		}
		names[token.Name] = true
		set.access.Tokens = append(set.access.Tokens, token)
	}
	for _, given := range c.StringSlice(apiHostFlag.Name) {
		name := strings.TrimSpace(given)
		if name == "" || strings.ContainsAny(name, "/ ") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
			return set, badUsage("--%s %q: want a host name without scheme and port", apiHostFlag.Name, given)
		}
		set.access.Hosts = append(set.access.Hosts, name)
	}
	if len(set.access.Tokens) == 0 && (!set.access.Loopback || len(set.access.Hosts) > 0) {
		return set, badUsage("--%s %s is reachable from other machines and needs a token: generate one with `shotline token NAME`, or listen on 127.0.0.1 without --%s",
			apiListenFlag.Name, set.listen, apiHostFlag.Name)
	}
	set.access.Rate, err = apiRate(c.String(apiRateFlag.Name), set.access.Loopback)
	return set, err
}

// imageMode parses --image-mode.
func imageMode(c *cli.Context) (fs.FileMode, error) {
	text := c.String(imageModeFlag.Name)
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		return 0, badUsage("--%s %q: want the permissions of files in octal, such as 0600 or 0644", imageModeFlag.Name, text)
	}
	return fs.FileMode(mode), nil
}

// apiRate parses N/s or N/m. It returns 0 for no limit, which is the default on
// loopback addresses.
func apiRate(text string, loopback bool) (perSecond float64, err error) {
	if text == "" {
		if loopback {
			return 0, nil
		}
		return defaultRate, nil
	}
	if perSecond, err = parseRate(text); err != nil {
		return 0, badUsage("--%s %q: want a number of requests, such as 50/s or 600/m", apiRateFlag.Name, text)
	}
	return perSecond, nil
}
