package main

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/client/outward"
)

// outputsFrom makes the client that fetches pictures for the API. The vendor may
// redirect to where it keeps a file: it goes to public addresses only, and to the
// host of --base-url.
func outputsFrom(c *cli.Context, guard *outward.Guard) (*client.Client, error) {
	key, err := apiKey(c)
	if err != nil {
		return nil, err
	}
	vendor, err := vendorFrom(c, key, client.WithDialContext(guardedDial(guard, ownHosts(c.String(baseURLFlag.Name))...)))
	if err != nil {
		return nil, err
	}
	return vendor, nil
}

// ownHosts are those that the operator named: of the vendor, and of the proxy on
// the way to it.
func ownHosts(base string) (hosts []string) {
	u, err := url.Parse(base)
	if err != nil {
		return nil // client.New says so
	}
	hosts = append(hosts, u.Hostname())
	if via, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && via != nil {
		hosts = append(hosts, via.Hostname())
	}
	return hosts
}

// guardedDial lets guard decide about all hosts but the named ones.
func guardedDial(guard *outward.Guard, own ...string) client.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard.Control}
		host, _, err := net.SplitHostPort(address)
		for _, name := range own {
			if err == nil && strings.EqualFold(host, name) {
				dialer.Control = nil
			}
		}
		return dialer.DialContext(ctx, network, address)
	}
}
