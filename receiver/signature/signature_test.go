package signature_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"shotline/receiver/signature"
)

const vectorDir = "../../testdata/webhooks"

type vector struct {
	Body, Secret, Header, Signature string
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(vectorDir, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func newVerifier(t testing.TB, secrets, headers []string) *signature.Verifier {
	t.Helper()
	v, err := signature.New(secrets, headers)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectorsOfOpenSSL(t *testing.T) {
	for _, vec := range readVectors(t) {
		t.Run(vec.Body, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(vectorDir, vec.Body))
			if err != nil {
				t.Fatal(err)
			}
			if got := signature.Sign(vec.Secret, body); got != vec.Signature {
				t.Errorf("Sign = %s, want %s as from openssl", got, vec.Signature)
			}
			v := newVerifier(t, []string{vec.Secret}, nil)
			h := http.Header{}
			h.Set(vec.Header, vec.Signature)
			if err := v.Verify(h, body); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if err := v.Verify(h, append(body, '\n')); !errors.Is(err, signature.ErrMismatch) {
				t.Errorf("Verify with one more newline: %v, want ErrMismatch", err)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	const secret, old = "new-secret", "old-secret"
	body := []byte(`{"event":"screenshot.completed","screenshot_id":"1"}`)
	good, rotated, foreign := signature.Sign(secret, body), signature.Sign(old, body), signature.Sign("guess", body)
	other := signature.Sign(secret, []byte("other"))
	const guide, product, custom = "X-Signature", "X-ScreenshotCenter-Signature", "X-Hook-Sig"

	tests := []struct {
		name    string
		headers [][2]string
		want    error
	}{
		{"guide", [][2]string{{guide, good}}, nil},
		{"product", [][2]string{{product, good}}, nil},
		{"configured header", [][2]string{{custom, good}}, nil},
		{"older secret", [][2]string{{guide, rotated}}, nil},
		{"two headers, one signature", [][2]string{{guide, good}, {product, good}}, nil},
		{"other headers do not matter", [][2]string{{guide, good}, {"X-Other", "sha256=no"}}, nil},

		{"missing", nil, signature.ErrMissing},
		{"in an unknown header", [][2]string{{"X-Other", good}}, signature.ErrMissing},

		{"empty", [][2]string{{guide, ""}}, signature.ErrMalformed},
		{"one good, one empty", [][2]string{{guide, good}, {product, ""}}, signature.ErrMalformed},
		{"doubled, equal", [][2]string{{guide, good}, {guide, good}}, signature.ErrMalformed},
		{"doubled, bad first", [][2]string{{guide, foreign}, {guide, good}}, signature.ErrMalformed},
		{"doubled, good first", [][2]string{{guide, good}, {guide, foreign}}, signature.ErrMalformed},
		{"two headers that differ", [][2]string{{guide, good}, {product, foreign}}, signature.ErrMalformed},
		{"two headers that differ but are both valid", [][2]string{{guide, good}, {product, rotated}}, signature.ErrMalformed},
		{"two in one line", [][2]string{{guide, good + ", " + good}}, signature.ErrMalformed},
		{"prefix alone", [][2]string{{guide, "sha256="}}, signature.ErrMalformed},
		{"no prefix", [][2]string{{guide, strings.TrimPrefix(good, "sha256=")}}, signature.ErrMalformed},
		{"other prefix", [][2]string{{guide, "sha512=" + good[7:]}}, signature.ErrMalformed},
		{"prefix in upper case", [][2]string{{guide, "SHA256=" + good[7:]}}, signature.ErrMalformed},
		{"digits in upper case", [][2]string{{guide, "sha256=" + strings.ToUpper(good[7:])}}, signature.ErrMalformed},
		{"one digit short", [][2]string{{guide, good[:len(good)-1]}}, signature.ErrMalformed},
		{"one byte short", [][2]string{{guide, good[:len(good)-2]}}, signature.ErrMalformed},
		{"one byte long", [][2]string{{guide, good + "00"}}, signature.ErrMalformed},
		{"space", [][2]string{{guide, good + " "}}, signature.ErrMalformed},
		{"not hexadecimal", [][2]string{{guide, "sha256=" + strings.Repeat("g", 64)}}, signature.ErrMalformed},
		{"not ASCII", [][2]string{{guide, "sha256=" + strings.Repeat("é", 32)}}, signature.ErrMalformed},

		{"foreign secret", [][2]string{{guide, foreign}}, signature.ErrMismatch},
		{"other body", [][2]string{{guide, other}}, signature.ErrMismatch},
		{"zeros", [][2]string{{guide, "sha256=" + strings.Repeat("0", 64)}}, signature.ErrMismatch},
	}
	v := newVerifier(t, []string{secret, old}, []string{"x-hook-sig", guide})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, line := range tt.headers {
				h.Add(line[0], line[1])
			}
			err := v.Verify(h, body)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Verify = %v, want %v", err, tt.want)
			}
			wantExpect := tt.want // the expected error of Expect, which cannot detect a mismatch
			if wantExpect == signature.ErrMismatch {
				wantExpect = nil
			}
			mark, expectErr := v.ParseHeader(h)
			if !errors.Is(expectErr, wantExpect) {
				t.Errorf("Expect = %v, want %v", expectErr, wantExpect)
			}
			if bodyErr := mark.Verify(body); (bodyErr == nil) != (tt.want == nil) {
				t.Errorf("Mark.Verify = %v", bodyErr)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), good[7:])) {
				t.Errorf("the error contains a secret or the signature: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name             string
		secrets, headers []string
	}{
		{"no secret", nil, nil},
		{"empty secret", []string{"a", ""}, nil},
		{"empty header", []string{"a"}, []string{""}},
		{"header with a colon", []string{"a"}, []string{"X-Sig:"}},
		{"header with a space", []string{"a"}, []string{"X Sig"}},
		{"header that is not ASCII", []string{"a"}, []string{"X-Sïg"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v, err := signature.New(tt.secrets, tt.headers); err == nil || v != nil {
				t.Errorf("New = %v, %v; want an error", v, err)
			}
		})
	}
}

func TestZeroMarkMatchesNothing(t *testing.T) {
	if err := (signature.Signature{}).Verify(nil); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("Verify = %v, want ErrMismatch", err)
	}
}

// Reused hash states must not affect other verifications.
func TestVerifyConcurrently(t *testing.T) {
	v := newVerifier(t, []string{"one", "two"}, nil)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				body := []byte(strings.Repeat("x", worker*100+i%50))
				h := http.Header{signature.HeaderGuide: {signature.Sign("two", body)}}
				if err := v.Verify(h, body); err != nil {
					t.Errorf("good signature: %v", err)
				}
				if err := v.Verify(h, append(body, 'y')); !errors.Is(err, signature.ErrMismatch) {
					t.Errorf("other body: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// A value is valid only if it is exactly the text that Sign returns.
func FuzzVerify(f *testing.F) {
	for _, vec := range readVectors(f) {
		f.Add(vec.Signature, []byte(vec.Body))
	}
	body := []byte("{}")
	f.Add(signature.Sign("s", body), body)
	f.Add("sha256=", body)
	f.Add(strings.ToUpper(signature.Sign("s", body)), body)
	v := newVerifier(f, []string{"s"}, nil)
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		err := v.Verify(http.Header{signature.HeaderGuide: {value}}, body)
		if (err == nil) != (value == signature.Sign("s", body)) {
			t.Errorf("Verify(%q) = %v", value, err)
		}
		if err != nil && !errors.Is(err, signature.ErrMalformed) && !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("Verify(%q) = %v, which is not a documented error", value, err)
		}
	})
}

// Headers are valid only as documented: each of the three is set at most once, at
// least one is set, and each value is exactly the text that Sign returns.
func FuzzHeaders(f *testing.F) {
	const guide, product, custom = "X-Signature", "X-ScreenshotCenter-Signature", "X-Hook-Sig"
	f.Add(guide+"\n"+product, "SIGNED\nSIGNED", []byte("{}"))
	f.Add(guide+"\n"+guide, "SIGNED\nSIGNED", []byte("{}"))
	f.Add(custom, "SIGNED", []byte(""))
	f.Add("x-hook-sig\nX-Other", "SIGNED\nno", []byte("\x00"))
	f.Add(product+"\n"+custom, "SIGNED\n", []byte("{}"))
	f.Add(guide, "SIGNED, SIGNED", []byte("{}"))
	v := newVerifier(f, []string{"s"}, []string{custom})
	f.Fuzz(func(t *testing.T, names, values string, body []byte) {
		good := signature.Sign("s", body)
		h, byName := http.Header{}, map[string][]string{}
		lines := strings.Split(values, "\n")
		for i, name := range strings.Split(names, "\n") {
			value := strings.ReplaceAll(lines[i%len(lines)], "SIGNED", good)
			h.Add(name, value)
			byName[http.CanonicalHeaderKey(name)] = append(byName[http.CanonicalHeaderKey(name)], value)
		}
		found, all := 0, true
		for _, name := range []string{guide, product, custom} {
			for _, value := range byName[http.CanonicalHeaderKey(name)] {
				found++
				all = all && value == good
			}
			all = all && len(byName[http.CanonicalHeaderKey(name)]) < 2
		}
		err := v.Verify(h, body)
		if (err == nil) != (found > 0 && all) {
			t.Errorf("%q: %v", h, err)
		}
		if errors.Is(err, signature.ErrMissing) != (found == 0) {
			t.Errorf("%d signature headers: %v", found, err)
		}
		if err != nil && strings.Contains(err.Error(), good[len("sha256="):]) {
			t.Errorf("the error contains the signature: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(strings.Repeat("b", 400))
	for _, bench := range []struct {
		name    string
		secrets []string
	}{{"one secret", []string{"s"}}, {"second of two", []string{"old", "s"}}} {
		b.Run(bench.name, func(b *testing.B) {
			v := newVerifier(b, bench.secrets, nil)
			h := http.Header{signature.HeaderGuide: {signature.Sign("s", body)}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
