package sandbox

import (
	"cmp"
	"strconv"
	"time"
)

// BatchReport is what batch.finished says about a batch.
type BatchReport struct {
	ID        string
	Status    string // empty: the word of the dialect
	Count     int    // rows
	Processed int
	Failed    int
	ZipURL    string
	CreatedAt time.Time
}

// batchReportBody is the JSON of batch.finished. The vendor documents the event
// as a summary of the batch, but not its fields; these are the sandbox's own.
type batchReportBody struct {
	Event     string `json:"event"`
	BatchID   string `json:"batch_id"`
	Status    string `json:"status"`
	Count     int    `json:"count"`
	Processed int    `json:"processed"`
	Failed    int    `json:"failed"`
	ZipURL    string `json:"zip_url"`
	CreatedAt string `json:"created_at"`
}

// BatchWebhook returns the webhook of a finished batch.
func (d Dialect) BatchWebhook(r BatchReport) Webhook {
	status := "done"
	if d == DialectB {
		status = statusFinished
	}
	body := batchReportBody{
		Event: "batch.finished", BatchID: r.ID, Status: cmp.Or(r.Status, status),
		Count: r.Count, Processed: r.Processed, Failed: r.Failed, ZipURL: r.ZipURL, CreatedAt: webhookTime(r.CreatedAt),
	}
	return newWebhook(body.Event, body)
}

// notifyBatch sends batch.finished to the apps that the batch named.
func (s *Server) notifyBatch(b *batch) {
	due := s.deliveriesFor(&b.webhookSource, b.order, func() Webhook { return s.batchWebhook(b) })
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

func (s *Server) batchWebhook(b *batch) Webhook {
	o := s.batchObject(b)
	return s.cfg.Dialect.BatchWebhook(BatchReport{
		ID: strconv.FormatInt(o.ID, 10), Count: o.Count, Processed: o.Processed, Failed: o.Failed, ZipURL: *o.ZipURL, CreatedAt: b.createdAt,
	})
}
