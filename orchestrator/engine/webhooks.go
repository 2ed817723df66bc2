package engine

import (
	"net/http"

	"shotline/receiver"
	"shotline/receiver/signature"
)

// Webhooks is the handler to mount, on the program's own server, at the path that
// the vendor's webhook app names. It reads the body, verifies its signature, keeps
// the webhook on disk, and answers as package receiver says, within two seconds; a
// server that strangers reach should bound how long a request may take to come in
// (http.Server.ReadTimeout). It works from Open on: what comes before Start is
// applied then. An engine without WebhookSecrets answers 404.
func (e *Engine) Webhooks() http.Handler {
	if e.webhooks == nil {
		return http.NotFoundHandler()
	}
	return e.webhooks
}

// MisdirectedWebhooks is the handler to mount at all other paths of a server that
// takes nothing but webhooks. It answers 404; what looks like a webhook is logged,
// and WebhookObserver hears of it.
func (e *Engine) MisdirectedWebhooks() http.Handler {
	if e.webhooks == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(e.webhooks.Misdirected)
}

// newReceiver makes the handler of webhooks; nil without anything to verify them
// with.
func (c Config) newReceiver(inbox receiver.Inbox) (*receiver.Receiver, error) {
	if !c.TakesWebhooks() {
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
		Inbox: inbox, Verifier: verifier, Insecure: c.InsecureNoSecret, MaxInFlight: c.WebhookMemory, Now: clock.Now, Logger: c.Logger, Observe: c.WebhookObserver,
	})
}
