package client

import (
	"bytes"
	"encoding/json"
	"errors"
)

// envelope is an answer taken apart. The vendor sends {"success":…,"data":…},
// and sometimes the data, or the error and its code, bare.
type envelope struct {
	payload json.RawMessage
	refused bool
	bare    bool // refused without the word "success"
}

var errNotJSON = errors.New("the answer is not valid JSON")

func openEnvelope(body []byte) (envelope, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return envelope{}, errors.New("the answer is empty")
	}
	if body[0] != '{' {
		if !json.Valid(body) {
			return envelope{}, errNotJSON
		}
		return envelope{payload: body}, nil
	}
	var fields struct {
		Success json.RawMessage `json:"success"`
		Data    json.RawMessage `json:"data"`
		Error   json.RawMessage `json:"error"`
		Code    json.RawMessage `json:"code"`
	}
	if json.Unmarshal(body, &fields) != nil { // an object is read into raw fields, whatever they hold
		return envelope{}, errNotJSON
	}
	var success *bool
	if fields.Success != nil && json.Unmarshal(fields.Success, &success) != nil {
		return envelope{}, errors.New(`"success" in the answer is neither true nor false`)
	}
	if success == nil {
		bare := !isNull(fields.Error) && text(fields.Code) != "" && fields.Data == nil && !hasID(body)
		return envelope{payload: body, refused: bare, bare: bare}, nil
	}
	if fields.Data == nil && *success {
		fields.Data = body
	}
	return envelope{payload: fields.Data, refused: !*success}, nil
}

// hasID tells whether a payload names a screenshot or a batch.
func hasID(payload json.RawMessage) bool {
	var object struct {
		ID      json.RawMessage `json:"id"`
		BatchID json.RawMessage `json:"batch_id"`
	}
	return json.Unmarshal(payload, &object) == nil && idText(object.ID)+idText(object.BatchID) != ""
}
