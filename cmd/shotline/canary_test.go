package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// canary is a secret that must not appear in any output.
type canary struct {
	name string
	text string
	// keptForUse is set if the database has to store the secret.
	keptForUse bool
}

// forms returns all encodings in which the secret could appear.
func (c canary) forms() [][]byte {
	raw := []byte(c.text)
	forms := [][]byte{
		raw, []byte(url.QueryEscape(c.text)), []byte(url.PathEscape(c.text)),
		[]byte(hex.EncodeToString(raw)), []byte(strings.ToUpper(hex.EncodeToString(raw))),
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Within a longer text, the secret can start at one of three offsets. Its
		// first and last characters then also encode neighboring bytes, so they are
		// left out.
		for before := range 3 {
			padded := append(make([]byte, before), raw...)
			encoded := encoding.EncodeToString(padded)
			forms = append(forms, []byte(encoded[(before*8+5)/6:len(padded)*8/6]))
		}
	}
	if encoded, is := strings.CutPrefix(c.text, "whsec_"); is {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			forms = append(forms, canary{text: string(key)}.forms()...)
		}
	}
	return forms
}

// in reports whether the text contains the secret in any form.
func (c canary) in(text []byte) bool {
	return slices.ContainsFunc(c.forms(), func(form []byte) bool { return bytes.Contains(text, form) })
}

func TestCanaryForms(t *testing.T) {
	const text = "vendor/key+canary=4f1c9b"
	c := canary{name: "key", text: text}
	for _, text := range []string{
		text, "GET /?key=" + url.QueryEscape(text) + "&x", "/" + url.PathEscape(text) + "/", hex.EncodeToString([]byte("x" + text)),
		base64.StdEncoding.EncodeToString([]byte("a:" + text + "z")), base64.StdEncoding.EncodeToString([]byte("ab:" + text)),
		base64.URLEncoding.EncodeToString([]byte("abc:" + text + "yz")), base64.StdEncoding.EncodeToString([]byte(text)),
	} {
		if !c.in([]byte(text)) {
			t.Errorf("secret not found in %s", text)
		}
	}
	if c.in([]byte("vendor/key+canary")) {
		t.Error("found in a part of the secret")
	}
	secret := canary{text: "whsec_" + base64.StdEncoding.EncodeToString([]byte(text))}
	if !secret.in([]byte("signed with "+text)) || !secret.in([]byte(secret.text)) {
		t.Error("the key of a secret was not found")
	}
}
