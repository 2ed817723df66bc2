package client

import (
	"context"
	"encoding/json"
	"errors"
)

// Account is what the vendor tells about the owner of the key.
type Account struct {
	Balance float64                    `json:"balance"`        // credits
	Plan    string                     `json:"plan,omitempty"` // not always told
	Extra   map[string]json.RawMessage `json:"-"`              // everything else
}

// Account returns the balance of the key's account. It costs nothing, so it is
// also the way to find out whether a key is valid: ErrUnauthorized says no.
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
	accountFields.take(&account, object)
	if len(object) > 0 {
		account.Extra = object
	}
	return account, nil
}
