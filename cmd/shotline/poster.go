package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"shotline/client/sandbox"
)

// postTimeout is the time limit of one webhook. A receiver answers within two
// seconds.
const postTimeout = 10 * time.Second

// poster sends webhooks to a receiver, signed as the vendor does.
type poster struct {
	to      string
	dialect sandbox.Dialect
	secret  string // empty: unsigned
	flag    string // that names the receiver, for messages
}

// check returns an error if the address of the receiver is not usable.
func (p poster) check() error {
	u, err := url.Parse(p.to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return badUsage("--%s: want a URL such as %s", p.flag, defaultReceiver)
	}
	return nil
}

// post sends a webhook once. It does not follow redirects, because the vendor does
// not either.
func (p poster) post(ctx context.Context, w sandbox.Webhook) (a answered, err error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to, bytes.NewReader(w.Body))
	if err != nil {
		return a, badUsage("--%s: %w", p.flag, err)
	}
	p.dialect.SetHeaders(request.Header, w, p.secret)
	client := http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which might contain a token
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return a, fmt.Errorf("nothing listens at %s (connection refused): start shotline serve, or name the receiver with --%s", request.URL.Host, p.flag)
	case errors.Is(err, context.DeadlineExceeded):
		return a, &exitError{exitFailed, fmt.Errorf("%s did not answer within %s", request.URL.Host, postTimeout)}
	case err != nil:
		return a, fmt.Errorf("send to %s: %w", request.URL.Host, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("read the answer of %s: %w", request.URL.Host, err)
	}
	return answered{status: response.Status, code: response.StatusCode, body: body}, nil
}
