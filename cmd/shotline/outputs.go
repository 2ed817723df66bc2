package main

import (
	"github.com/urfave/cli/v2"

	"shotline/client"
)

// outputsFrom returns the client that downloads images for the API. It follows
// redirects only on the host of --base-url.
func outputsFrom(c *cli.Context) (*client.Client, error) {
	key, err := apiKey(c)
	if err != nil {
		return nil, err
	}
	return vendorFrom(c, key)
}
