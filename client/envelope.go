package client

import (
	"bytes"
	"encoding/json"
	"errors"
)

// envelope is a parsed response. The vendor sends {"success":…,"data":…}, but
// sometimes only the data, or only the error and its code.
type envelope struct {
	payload json.RawMessage
	refused bool
	bare    bool // refused without a "success" field
}

var errNotJSON = errors.New("the response is not valid JSON")

func parseEnvelope(body []byte) (envelope, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return envelope{}, errors.New("the response is empty")
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
	if json.Unmarshal(body, &fields) != nil { // never fails for an object: the fields are raw
		return envelope{}, errNotJSON
	}
	var success *bool
	if fields.Success != nil && json.Unmarshal(fields.Success, &success) != nil {
		return envelope{}, errors.New(`"success" in the response is neither true nor false`)
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

// hasID reports whether a payload contains the id of a screenshot or a batch.
func hasID(payload json.RawMessage) bool {
	var object struct {
		ID      json.RawMessage `json:"id"`
		BatchID json.RawMessage `json:"batch_id"`
	}
	return json.Unmarshal(payload, &object) == nil && idText(object.ID)+idText(object.BatchID) != ""
}
