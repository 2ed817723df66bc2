package engine

import (
	"net/http"

	"shotline/receiver"
	"shotline/receiver/signature"
)

// Webhooks returns the handler of webhooks. The program mounts it on its own
// server at the path that the vendor's webhook app names. The handler reads the
// body, verifies its signature, stores the webhook on disk, and answers within
// two seconds as package receiver documents. A server that strangers can reach
// should bound the time to read a request (http.Server.ReadTimeout). The handler
// works after Open: webhooks that arrive before Start are applied then. If the
// engine takes no webhooks, the handler answers 404.
func (e *Engine) Webhooks() http.Handler {
	if e.webhooks == nil {
		return http.NotFoundHandler()
	}
	return e.webhooks
}

// MisdirectedWebhooks returns a handler for all other paths of a server that
// takes only webhooks. It answers 404. If a request looks like a webhook, the
// handler logs it and calls WebhookObserver.
func (e *Engine) MisdirectedWebhooks() http.Handler {
	if e.webhooks == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(e.webhooks.HandleWrongPath)
}

// newReceiver returns the handler of webhooks, or nil if the engine takes none.
func (c Config) newReceiver(inbox receiver.Inbox, refused *refusedCounts) (*receiver.Receiver, error) {
	if !c.ReceivesWebhooks() {
		return nil, nil
	}
	var verifier *signature.Verifier
	if len(c.WebhookSecrets) > 0 {
		var err error
		if verifier, err = signature.New(c.WebhookSecrets, c.SignatureHeaders); err != nil {
			return nil, err
		}
	}
	return receiver.New(receiver.Config{
		Inbox: inbox, Verifier: verifier, Insecure: c.InsecureNoSecret, MaxInFlight: c.WebhookMemory, Path: c.WebhookPath,
		Now: clock.Now, Logger: c.Logger, Observe: refused.observing(c.WebhookObserver),
	})
}
