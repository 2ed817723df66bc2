package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"shotline/receiver/listener"
)

// shutdownTimeout is how long a web server waits for requests in progress when it
// stops. Slower requests are cut off.
const shutdownTimeout = 2 * time.Second

// idleTimeout is how long a connection can stay open between two requests.
const idleTimeout = 20 * time.Second

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Webhooks are small and come from data centers with fast connections. In each
// step, a body must bring 4 KiB or end. The kernel buffers at most webhookBuffer
// bytes of it.
const (
	webhookStep   = 3 * time.Second
	webhookBuffer = 64 << 10
)

// guardWebhooks limits the resources that strangers can use through the webhook
// server.
func guardWebhooks(l net.Listener, server *http.Server, maxConns int, log *slog.Logger) *listener.Listener {
	guarded := listener.New(l, listener.Config{
		Name: "webhooks", MaxConnections: maxConns, Logger: log, ReadBuffer: webhookBuffer, BodyStep: webhookStep, BodyTime: server.ReadTimeout,
	})
	guarded.Guard(server)
	return guarded
}

func shutDown(server *http.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		if err := server.Close(); err != nil {
			log.Warn("stop web server", "error", err)
		}
	}
}

// listen listens on a TCP address. Its errors name the flag.
func listen(flag, address string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return nil, badUsage("--%s %q: want HOST:PORT, such as 127.0.0.1:8080", flag, address)
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the address is in use; choose another with --%s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", flag, address, err)
	}
	return l, nil
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}
