// Package api is what people and machines ask a running Shotline over HTTP:
//
//   - /v1/jobs: ask for a picture, see where it stands, search, retry, cancel;
//   - GET /openapi.json: the contract, made from the handlers;
//   - GET /healthz: the process is alive;
//   - GET /readyz: 200 when it can take in and do work, else 503, with what is
//     wrong;
//   - GET /metrics: figures for Prometheus.
//
// A request passes, from the outside in: a name by which the API may be asked
// for, a token and its right and rate, the origin of web pages, the contract.
// Whatever is wrong is answered with a problem document (RFC 9457).
//
// It states what it needs of others and imports packages jobs and jobs/csvfile.
package api
