package sandbox

import (
	"encoding/json"
	"strconv"
)

// batchNoticeBody is the JSON of batch.finished. The vendor documents the event
// as a summary of the batch, but not its fields; these are the sandbox's own.
type batchNoticeBody struct {
	Event     string `json:"event"`
	BatchID   string `json:"batch_id"`
	Status    string `json:"status"`
	Count     int    `json:"count"`
	Processed int    `json:"processed"`
	Failed    int    `json:"failed"`
	ZipURL    string `json:"zip_url"`
	CreatedAt string `json:"created_at"`
}

// notifyBatch sends batch.finished to the apps that the batch named.
func (s *Server) notifyBatch(b *batch) {
	due := s.deliveriesFor(&b.webhookSource, b.order, func() notice { return s.batchNotice(b) })
	deliveries := s.applyWebhookFaults(b.plan, due, nil)
	s.store.addDeliveries(b, deliveries)
	s.sender.send(deliveries)
}

// addDeliveries records the deliveries of a batch.
func (st *store) addDeliveries(target *batch, deliveries []*delivery) {
	st.mu.Lock()
	defer st.mu.Unlock()
	target.addDeliveries(deliveries)
}

func (s *Server) batchNotice(b *batch) notice {
	o := s.batchObject(b)
	body := batchNoticeBody{
		Event: "batch.finished", BatchID: strconv.FormatInt(o.ID, 10), Status: "done",
		Count: o.Count, Processed: o.Processed, Failed: o.Failed, ZipURL: *o.ZipURL, CreatedAt: webhookTime(b.createdAt),
	}
	if s.cfg.Dialect == DialectB {
		body.Status = statusFinished
	}
	// Strings and numbers can always be marshaled.
	raw, _ := json.Marshal(body)
	return notice{event: body.Event, body: raw}
}
