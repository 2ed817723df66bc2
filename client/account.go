package client

import (
	"context"
	"encoding/json"
	"errors"
)

// Account describes the owner of the API key.
type Account struct {
	Balance float64                    `json:"balance"`        // credits
	Plan    string                     `json:"plan,omitempty"` // empty if the vendor does not send it
	Extra   map[string]json.RawMessage `json:"-"`              // fields without a counterpart above
}

// Account returns the account that the key belongs to. The call is free, so it
// can also be used to check a key: if the key is not valid, the error is
// ErrUnauthorized.
//
// Vendor: endpoint reference, GET /account/info.
func (c *Client) Account(ctx context.Context) (Account, error) {
	k := call{op: "get account", path: "account/info"}
	payload, err := c.fetch(ctx, k)
	if err != nil {
		return Account{}, err
	}
	account, err := decodeAccount(payload)
	if err != nil {
		return Account{}, c.callError(k.op, err)
	}
	return account, nil
}

var accountFields = fieldReaders[Account]{"plan": into(func(a *Account) *string { return &a.Plan }, readText)}

func decodeAccount(payload json.RawMessage) (Account, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil {
		return Account{}, errors.New("the account is not an object")
	}
	balance, ok := readAmount(object["balance"])
	if !ok {
		return Account{}, errors.New("the account has no balance")
	}
	account := Account{Balance: *balance}
	delete(object, "balance")
	accountFields.decode(&account, object)
	if len(object) > 0 {
		account.Extra = object
	}
	return account, nil
}
