package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// flagGroup is a part of a command's flags with a title.
type flagGroup struct {
	title string
	flags []cli.Flag
}

// manyFlags is the number of flags from which on the help of a command shows them
// in groups.
const manyFlags = 20

// flagGroups are the titles and flags of groups, in their order. Flags that are in
// no group come first.
var flagGroups = []flagGroup{
	{"Vendor", []cli.Flag{apiKeyFlag, baseURLFlag, appIDFlag, concurrencyFlag, rateFlag, requestTimeoutFlag, settleFlag, jobTimeoutFlag, deadlineGraceFlag, auditWindowFlag}},
	{"Webhooks", []cli.Flag{secretFlag, headerFlag, insecureFlag, listenFlag, webhookPathFlag}},
	{"HTTP API", []cli.Flag{apiListenFlag, apiTokenFlag, apiHostFlag, apiRateFlag, apiMaxBatchFlag}},
	{"Images", []cli.Flag{downloadFlag, fileNameFlag, imageDirFlag, imageModeFlag}},
	{"Callbacks", []cli.Flag{sinkFlag, callbackSecretFlag, callbackRetryFlag, callbackConcurrencyFlag, allowPrivateFlag}},
	{"Retention", []cli.Flag{keepDeliveriesFlag, keepForeignFlag, keepEventsFlag}},
}

// groupFlags returns the flags of a command in groups, or in one if they are few.
// A command without a database has other flags with the same names.
func groupFlags(command *cli.Command) []flagGroup {
	rest := slices.Clone(command.Flags)
	if len(rest) < manyFlags || findFlag(rest, dbFlag.Name) == nil {
		return []flagGroup{{"Flags", rest}}
	}
	var groups []flagGroup
	for _, of := range flagGroups {
		group := flagGroup{title: of.title}
		for _, flag := range of.flags {
			i := slices.IndexFunc(rest, func(own cli.Flag) bool { return own.Names()[0] == flag.Names()[0] })
			if i >= 0 {
				group.flags, rest = append(group.flags, rest[i]), slices.Delete(rest, i, i+1)
			}
		}
		if len(group.flags) > 0 {
			groups = append(groups, group)
		}
	}
	return append([]flagGroup{{"Flags", rest}}, groups...)
}
