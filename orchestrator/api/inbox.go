package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs/jobjson"
)

// RefusedWebhooks are the newest webhooks that were not accepted.
type RefusedWebhooks struct {
	Refused []jobjson.Refusal `json:"refused" nullable:"false"`
}

func (s *server) inboxRoutes() {
	refused := operation(http.MethodGet, "/v1/inbox/refused", "listRefused", "inbox", "List webhooks that were not accepted, newest first", http.StatusUnprocessableEntity)
	refused.Description = "The newest 200, without bodies and without the values of headers. They appear some seconds after they arrived."
	huma.Register(s.api, refused, s.listRefused)
}

func (s *server) listRefused(ctx context.Context, _ *struct{}) (*struct{ Body RefusedWebhooks }, error) {
	found, err := s.Store.Refusals(ctx)
	if err != nil {
		return nil, s.failed(ctx, "list refused webhooks", err)
	}
	body := RefusedWebhooks{Refused: make([]jobjson.Refusal, len(found))}
	for i, r := range found {
		body.Refused[i] = jobjson.FromRefusal(r)
	}
	return &struct{ Body RefusedWebhooks }{body}, nil
}
