// Package api is what people and machines ask a running Shotline over HTTP:
//
//   - GET /healthz: the process is alive;
//   - GET /readyz: 200 when it can take in and do work, else 503, with what is
//     wrong;
//   - GET /metrics: figures for Prometheus.
//
// It states what it needs of others and imports only package jobs. It has no
// access control yet: it must be reached from this machine alone.
package api
