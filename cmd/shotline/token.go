package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"shotline/orchestrator/api"
)

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:      "token",
		Usage:     "generate a token for the HTTP API and the value of --api-token that accepts it",
		ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "read-only", Usage: "allow only requests that change nothing"}, jsonFlag, configFlag,
		},
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "a name")
			if err != nil {
				return err
			}
			token, secret, err := api.NewToken(name, !c.Bool("read-only"))
			if err != nil {
				return badUsage("token: %w", err)
			}
			if c.Bool(jsonFlag.Name) {
				return json.NewEncoder(c.App.Writer).Encode(struct {
					Token string `json:"token"`
					Flag  string `json:"api_token"`
				}{secret, token.String()})
			}
			_, err = fmt.Fprintf(c.App.Writer, "token        %s\n--api-token  %s\n", secret, token)
			return err
		},
	}
}
