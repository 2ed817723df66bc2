package sandbox

import (
	"encoding/json"
	"strconv"
)

// batchNoticeBody is the JSON of batch.finished. The vendor names the event and
// says that it sums the batch up; the fields are this sandbox's.
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

// tellOfBatch sends batch.finished to the apps that the batch named.
func (s *Server) tellOfBatch(b *batch) {
	due := s.deliveriesFor(&b.told, b.order, func() notice { return s.batchNotice(b) })
	deliveries := s.mishandle(b.fate, due, nil)
	s.books.owe(b, deliveries)
	s.courier.send(deliveries)
}

// owe enters the deliveries of a batch.
func (b *books) owe(of *batch, deliveries []*delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of.owe(deliveries)
}

func (s *Server) batchNotice(b *batch) notice {
	o := s.batchObject(b)
	body := batchNoticeBody{
		Event: "batch.finished", BatchID: strconv.FormatInt(o.ID, 10), Status: "done",
		Count: o.Count, Processed: o.Processed, Failed: o.Failed, ZipURL: *o.ZipURL, CreatedAt: webhookStamp(b.createdAt),
	}
	if s.cfg.Dialect == DialectB {
		body.Status = statusFinished
	}
	// Strings and numbers: marshalling cannot fail.
	raw, _ := json.Marshal(body)
	return notice{event: body.Event, body: raw}
}
