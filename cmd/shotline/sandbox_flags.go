package main

import (
	"math"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
)

var (
	faultFlag      = &cli.StringSliceFlag{Name: "fault", Usage: "inject a fault: `NAME=P[,k=v…]` with a probability from 0 to 1 (repeatable; names above)"}
	seedFlag       = &cli.IntFlag{Name: "seed", Usage: "seed `N` of the faults: the same seed and requests repeat a run"}
	balanceFlag    = &cli.Float64Flag{Name: "balance", Value: 1_000_000, DefaultText: "1000000", Usage: "credits at the start, more than 0; a create that costs more than the balance is refused"}
	listFormFlag   = &cli.StringFlag{Name: "list-form", Value: string(sandbox.ListArray), Usage: "response `FORM` of list and search: array, or object for {\"screenshots\":[…]}"}
	bareFlag       = &cli.BoolFlag{Name: "bare-answers", Usage: "respond without the envelope, and omit success in errors 400 and 429"}
	anyCountryFlag = &cli.BoolFlag{Name: "any-country", Usage: "accept any country instead of refusing an unknown one with 422"}
	sleepUnitFlag  = &cli.DurationFlag{Name: "sleep-unit", Value: time.Second, Usage: "unit of the value of a sleep step; the vendor documents none"}
	intervalFlag   = &cli.DurationFlag{Name: "interval-unit", Value: time.Millisecond, Usage: "unit of shot_interval; one of the vendor's documents says 1ms, another 1s"}
	privateFlag    = &cli.StringSliceFlag{Name: "allow-private", Usage: "allow pages in this private network: `CIDR`, for example 127.0.0.0/8 for loopback (repeatable)"}
)

// faultsHelp describes all faults for the help text.
func faultsHelp() string {
	var help strings.Builder
	help.WriteString("Faults for --fault, with the defaults of their arguments; ranges such as 2..20 include both ends:\n")
	for _, f := range sandbox.FaultList() {
		help.WriteString("\n" + f.Name)
		if f.Args != "" {
			help.WriteString(" (" + f.Args + ")")
		}
		help.WriteString(": " + f.Note)
	}
	return help.String()
}

// faults parses --fault.
func faults(c *cli.Context) ([]sandbox.Fault, error) {
	var list []sandbox.Fault
	for _, text := range c.StringSlice(faultFlag.Name) {
		fault, err := sandbox.ParseFault(text)
		if err != nil {
			return nil, badUsage("--fault: %w", err)
		}
		list = append(list, fault)
	}
	return list, nil
}

// balance returns --balance.
func balance(c *cli.Context) (float64, error) {
	credits := c.Float64(balanceFlag.Name)
	// This form of the condition refuses NaN.
	if !(credits > 0 && credits <= math.MaxInt64) {
		return 0, badUsage("--balance %g: want a number above zero", credits)
	}
	return credits, nil
}

// responseForms sets the form of responses and the units of pauses.
func responseForms(c *cli.Context, cfg *sandbox.Config) (err error) {
	if cfg.ListForm, err = sandbox.ParseListForm(c.String(listFormFlag.Name)); err != nil {
		return badUsage("--list-form %q: want array or object", c.String(listFormFlag.Name))
	}
	cfg.NoEnvelope, cfg.AnyCountry = c.Bool(bareFlag.Name), c.Bool(anyCountryFlag.Name)
	for flag, unit := range map[*cli.DurationFlag]*time.Duration{sleepUnitFlag: &cfg.SleepUnit, intervalFlag: &cfg.IntervalUnit} {
		if *unit = c.Duration(flag.Name); *unit < time.Millisecond || *unit > time.Minute {
			return badUsage("--%s %v: want 1ms to 1m", flag.Name, *unit)
		}
	}
	return nil
}

// privateNetworks parses --allow-private.
func privateNetworks(c *cli.Context) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.StringSlice(privateFlag.Name) {
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, badUsage("--allow-private %q: want a network such as 127.0.0.0/8 or fd00::/8", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// checkExposure checks the addresses of the sandbox. If other machines can reach
// it, it must have its own API key.
func checkExposure(c *cli.Context) error {
	if _, _, err := net.SplitHostPort(c.String("listen")); err != nil {
		return badUsage("--listen %q: want HOST:PORT, such as 127.0.0.1:8080", c.String("listen"))
	}
	if !c.Bool("allow-remote") && !isLoopback(c.String("listen")) {
		return badUsage("--listen %s is not a loopback address: if you want this, add --allow-remote", c.String("listen"))
	}
	switch c.String("api-key") {
	case "":
		return badUsage("--api-key is empty")
	case sandbox.DefaultAPIKey:
		if c.Bool("allow-remote") {
			return badUsage("--allow-remote needs your own --api-key: the default is public")
		}
	}
	if u, err := url.Parse(c.String("public-url")); c.IsSet("public-url") && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return badUsage("--public-url %q: want an http or https address", c.String("public-url"))
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
