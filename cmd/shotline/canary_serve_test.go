package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"shotline/receiver/signature"
)

// The secrets that the test uses. Some contain characters that are escaped in
// URLs.
var (
	canaryKey         = canary{name: "vendor's key", text: "vendor/key+canary=4f1c9b"}
	canaryHook        = canary{name: "webhook secret", text: "webhook-canary-0a7d31"}
	canaryOldHook     = canary{name: "old webhook secret", text: "webhook/canary+7b20ee"}
	canaryCallback    = canary{name: "callback secret", text: "whsec_" + base64.StdEncoding.EncodeToString([]byte("callback-canary-5d09c2-aaaaaaaaaa"))}
	canaryOldCallback = canary{name: "old callback secret", text: "whsec_" + base64.StdEncoding.EncodeToString([]byte("callback-canary-e81b74-bbbbbbbbbb"))}
	canaryRedis       = canary{name: "Redis password", text: "redis/pass+canary=c3f5a8"}
	canarySink        = canary{name: "sink's address", text: "sink-canary-92be17"}
	canaryUserinfo    = canary{name: "password in an address", text: "userinfo-canary-6ad4f0"}
	canaryTarget      = canary{name: "callback URL's query", text: "target-canary-38e6b5", keptForUse: true}
)

// control is not a secret. The test must find it, which shows that the search
// works.
const control = "control-canary-11d7c9"

// TestSecretsAreToldNowhere runs a serve through situations that tend to leak
// secrets. Then it searches everything that was output or stored for each secret.
func TestSecretsAreToldNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("runs almost all commands and a Redis server")
	}
	a := newLeakRig(t)
	server := newRedisServer(t)
	a.eventually("Redis requires its password", func() bool {
		return server.admin.ConfigSet(t.Context(), "requirepass", canaryRedis.text).Err() == nil
	})
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	hooks, vendor, api := "http://"+addresses[0]+WebhookPath, addresses[1], "http://"+addresses[2]
	_, stopSandbox := a.start("sandbox", "sandbox", "--listen", vendor, "--renderer", "plain", "--api-key", canaryKey.text,
		"--webhook-secret", canaryHook.text, "--webhook-url", hooks, "--log-level", "debug")
	proxy := httptest.NewServer(newEcho(vendor, canaryKey.text))
	t.Cleanup(proxy.Close)

	signed := make(chan string, 100)
	takes := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { signed <- r.Header.Get("webhook-signature") }))
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.URL.String(), http.StatusInternalServerError)
	}))
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	for _, s := range []*httptest.Server{takes, refuses, untrusted} {
		t.Cleanup(s.Close)
	}
	var sinks []string
	for name, address := range map[string]string{
		"takes": takes.URL, "refuses": refuses.URL, "untrusted": untrusted.URL, "unknown": "http://nowhere.onion", "closed": "http://127.0.0.1:1",
	} {
		sinks = append(sinks, name+"="+address+"/"+canarySink.text+"?token="+canarySink.text)
	}
	rw, ro := a.token("shop"), a.token("watch", "--read-only")
	for name, value := range map[string]string{
		"SHOTLINE_DB": filepath.Join(a.dir, "shotline.db"), "SHOTLINE_LISTEN": addresses[0], "SHOTLINE_API_LISTEN": addresses[2],
		"SCREENSHOTCENTER_API_KEY": canaryKey.text, "SCREENSHOTCENTER_BASE_URL": proxy.URL + "/api/v1", "SCREENSHOTCENTER_APP_ID": "12",
		"WEBHOOK_SECRET": canaryHook.text + "," + canaryOldHook.text, "SHOTLINE_CALLBACK_SECRET": canaryCallback.text + "," + canaryOldCallback.text,
		"SHOTLINE_SINK": strings.Join(sinks, ","), "SHOTLINE_API_TOKEN": rw.flag + "," + ro.flag, "SHOTLINE_ALLOW_PRIVATE": "127.0.0.0/8",
		"SHOTLINE_REDIS_URL": "redis://:" + url.QueryEscape(canaryRedis.text) + "@" + server.address, "SHOTLINE_LOG_LEVEL": "debug",
		"SHOTLINE_SETTLE": "300ms", "SHOTLINE_CALLBACK_RETRY": "1s", "GORACE": "atexit_sleep_ms=0",
	} {
		t.Setenv(name, value)
	}
	serveLog, stop := a.start("serve", "serve")
	a.eventually("serve responds", func() bool {
		response, err := http.Get(api + "/healthz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})

	job := a.order(api, rw.text, refuses.URL)
	batch := a.submit("url,note\n" + "https://shop.shotline.test/," + control + "\n" +
		"https://shop.shotline.test/fault/fields,\nhttps://shop.shotline.test/fault/page,\nhttps://shop.shotline.test/fault/limit,\n" +
		"https://shop.shotline.test/fault/ended,\nhttps://shop.shotline.test/fault/redirect,\nhttps://shop.shotline.test/fault/cut,\n")
	a.run("wait", batch, "--timeout", "1m")
	a.run("wait", job, "--timeout", "1m")
	refused := a.submit("https://shop.shotline.test/fault/refused\n")
	a.run("wait", refused, "--timeout", "1m")
	if !strings.Contains(a.run("status", refused, "--json"), `"paused"`) {
		t.Error("the batch was not paused after the vendor refused the key")
	}
	a.sendWebhooks(hooks)
	a.sendTokens(api, rw.text, ro.text)
	for sink := range strings.FieldsSeq("refuses untrusted unknown closed callback_url") {
		a.eventually("a callback is dead: "+sink, func() bool {
			return strings.Contains(serveLog(), `"callback given up"`) && strings.Contains(serveLog(), `"to":"`+sink+`"`)
		})
	}
	if signature := <-signed; strings.Count(signature, "v1,") != 2 {
		t.Errorf("got callback signature %q, want two signatures", signature)
	}
	a.runAll(batch, refused)
	readAll := func() { a.askAll(api, ro.text, job, batch, refused) }
	readAll()
	for _, kind := range []string{"image", "html", "pdf"} { // the vendor redirects some of these and does not have the others
		a.ask("GET", api+"/v1/jobs/"+job+"/"+kind, "", "Authorization", "Bearer "+ro.text)
	}
	a.run("callbacks", "replay", "--dead")
	admin := redis.NewClient(&redis.Options{Addr: server.address, Password: canaryRedis.text})
	defer admin.Close()
	a.redis(admin)

	err := errors.Join(admin.ConfigSet(t.Context(), "requirepass", "other").Err(),
		admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal").Err(), admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	if err != nil {
		t.Fatal(err)
	}
	for i, reason := range []string{"WRONGPASS", "refused"} {
		if i > 0 {
			server.kill()
		}
		a.eventually("the queue is unavailable: "+reason, func() bool {
			_, answer := a.ask("GET", api+"/readyz", "", "Authorization", "Bearer "+ro.text)
			return strings.Contains(answer, reason)
		})
		readAll()
	}
	a.run("backup", filepath.Join(a.dir, "backup.db"))
	a.files("shotline.db*")
	stop()
	stopSandbox()
	server.start() // the cleanup kills it
	a.misuse(rw.text)
	a.files("shotline.db*")
	a.files("backup.db")
	a.check([]canary{
		canaryKey, canaryHook, canaryOldHook, canaryCallback, canaryOldCallback, canaryRedis, canarySink, canaryUserinfo, canaryTarget,
		{name: "token", text: rw.text}, {name: "read-only token", text: ro.text},
	})
}

// check searches the recorded output for the secrets, and for texts that must be
// there.
func (a *leakRig) check(secrets []canary) {
	a.t.Helper()
	for source, data := range a.output {
		for _, secret := range secrets {
			if secret.keptForUse && strings.HasPrefix(source, "database ") {
				continue
			}
			if secret.in(data) {
				a.t.Errorf("the %s is in the %s", secret.name, source)
			}
		}
	}
	for where, text := range map[string]string{
		"database shotline.db": control, "database backup.db": control, "shotline results": control, "redis": "asynq:",
		"log of serve": `"level":"DEBUG"`, "log of sandbox": "sandbox", "answer to GET /metrics": "shotline_queue_readable 0", "answer to GET /readyz": "WRONGPASS",
		"answer to GET /openapi.json": "Idempotency-Key", "shotline callbacks": "dead", "shotline status": "[key]",
	} {
		if !strings.Contains(string(a.output[where]), text) {
			a.t.Errorf("the %s does not contain %q, so the search would miss secrets", where, text)
		}
	}
}

// planted is an API token: the secret that clients send, and the value of
// --api-token.
type planted struct{ text, flag string }

func (a *leakRig) token(args ...string) planted {
	a.t.Helper()
	var made struct {
		Token string `json:"token"`
		Flag  string `json:"api_token"`
	}
	err := json.Unmarshal([]byte(a.run(slices.Concat([]string{"token", "--json"}, args)...)), &made)
	if err != nil {
		a.t.Fatal(err)
	}
	delete(a.output, "shotline token") // its output is the token
	return planted{made.Token, made.Flag}
}

// order creates a job over HTTP and returns its id.
func (a *leakRig) order(api, token, target string) string {
	a.t.Helper()
	var job struct{ ID string }
	status, answer := a.ask("POST", api+"/v1/jobs", `{"url":"https://journal.shotline.test/","metadata":{"note":"`+control+`"},"callback_url":"`+target+`/hook?token=`+canaryTarget.text+`"}`,
		"Authorization", "Bearer "+token, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(answer), &job); err != nil || status != http.StatusAccepted {
		a.t.Fatal(status, answer, err)
	}
	return job.ID
}

// submit submits a file and returns the id of the batch.
func (a *leakRig) submit(rows string) string {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		a.t.Fatal(err)
	}
	var b struct {
		ID string `json:"batch_id"`
	}
	if printed := a.run("submit", file, "--json"); json.NewDecoder(strings.NewReader(printed)).Decode(&b) != nil {
		a.t.Fatal(printed)
	}
	return b.ID
}

// sendWebhooks sends webhooks that are refused, some of them with a secret in
// place of the signature, and one that is accepted.
func (a *leakRig) sendWebhooks(hooks string) {
	a.t.Helper()
	body := `{"event":"screenshot.completed","screenshot_id":"999","status":"done"}`
	for _, test := range []struct {
		signature, body string
		want            int
	}{
		{"", body, 401}, {canaryHook.text, body, 401}, {"sha256=" + canaryHook.text, body, 401},
		{signature.Sign("other", []byte(body)), body, 401}, {signature.Sign(canaryHook.text, []byte("{")), "{", 400},
		{signature.Sign(canaryOldHook.text, []byte(body)), body, 200},
	} {
		header := []string{"Content-Type", "application/json"}
		if test.signature != "" {
			header = append(header, signature.HeaderGuide, test.signature)
		}
		if status, answer := a.ask("POST", hooks, test.body, header...); status != test.want {
			a.t.Errorf("signature %q: %d %s", test.signature, status, answer)
		}
	}
}

// sendTokens sends requests with tokens in wrong places, and invalid requests
// with the right token.
func (a *leakRig) sendTokens(api, rw, ro string) {
	a.t.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("shop:"+rw))
	for _, test := range []struct {
		method, path, body string
		authorization      []string
		want               int
	}{
		{"GET", "/v1/jobs", "", []string{"Bearer " + rw + "x"}, 401},
		{"GET", "/v1/jobs", "", []string{basic}, 401},
		{"GET", "/v1/jobs", "", []string{rw}, 401},
		{"GET", "/v1/jobs", "", []string{"Bearer " + rw, "Bearer " + ro}, 401},
		{"GET", "/v1/jobs?access_token=" + rw, "", nil, 401},
		{"GET", "/v1/jobs?access_token=" + rw, "", []string{"Bearer " + rw}, 422},
		{"GET", "/v1/batches?limit=" + rw, "", []string{"Bearer " + ro}, 422},
		{"POST", "/v1/callbacks/replay", "", []string{"Bearer " + ro}, 403},
		{"POST", "/v1/jobs", `{"url":"https://a.test/","token":"` + rw + `"}`, []string{"Bearer " + rw}, 422},
		{"POST", "/v1/jobs", `{"url":"https://a.test/","callback_url":"http://user:` + canaryUserinfo.text + `@127.0.0.1/"}`, []string{"Bearer " + rw}, 422},
		{"POST", "/v1/jobs", `{"url":"https://a.test/","callback_url":"http://10.0.0.1/` + canarySink.text + `"}`, []string{"Bearer " + rw}, 422},
		{"POST", "/v1/jobs", `{"url":"` + rw + `"`, []string{"Bearer " + rw}, 400},
	} {
		header := []string{"Content-Type", "application/json"}
		for _, value := range test.authorization {
			header = append(header, "Authorization", value)
		}
		if status, answer := a.ask(test.method, api+test.path, test.body, header...); status != test.want {
			a.t.Errorf("%s %s with %q: %d %s", test.method, test.path, test.authorization, status, answer)
		}
	}
}

// askAll requests everything that can be read over HTTP.
func (a *leakRig) askAll(api, token, job, batch, refused string) {
	a.t.Helper()
	paths := []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/jobs", "/v1/jobs/nothing-1", "/v1/batches", "/v1/batches/nothing", "/v1/callbacks", "/v1/nothing"}
	for _, id := range []string{job, batch + "-1", batch + "-2"} {
		paths = append(paths, "/v1/jobs/"+id)
	}
	for _, id := range []string{batch, refused} {
		for _, kind := range []string{"", "/summary", "/summary?format=html", "/results", "/results?format=json"} {
			paths = append(paths, "/v1/batches/"+id+kind)
		}
	}
	for _, path := range paths {
		a.ask("GET", api+path, "", "Authorization", "Bearer "+token)
	}
}

// runAll runs the commands that only read.
func (a *leakRig) runAll(batch, refused string) {
	a.t.Helper()
	for _, args := range [][]string{
		{"list", "--json"}, {"callbacks"}, {"reconcile", "--older", "1ms"},
		{"status", batch}, {"status", batch + "-2"}, {"status", refused}, {"status", batch + "-2", "--json"}, {"list", batch},
		{"results", batch}, {"results", batch, "--json"},
		{"summary", batch}, {"summary", batch, "--format", "json"}, {"summary", batch, "--format", "csv"}, {"summary", batch, "--format", "html"},
	} {
		a.run(args...)
	}
}

// misuse passes secrets in flags and files that serve refuses.
func (a *leakRig) misuse(token string) {
	a.t.Helper()
	config := filepath.Join(a.dir, "bad.yaml")
	text := fmt.Sprintf("webhook-secret: %s\napi-key: [%s\nsink: {a: %s}\n", canaryHook.text, canaryKey.text, canarySink.text)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	escaped := url.QueryEscape(canaryRedis.text)
	for _, args := range [][]string{
		{"--help"}, {"--config", config},
		{"--redis-url", "redis://:" + escaped + "@127.0.0.1:1/none"}, {"--redis-url", "rediss:" + canaryRedis.text},
		{"--redis-url", "redis-sentinel://:" + escaped + "@127.0.0.1:1"}, {"--redis-url", "redis://:" + canaryRedis.text + "@%zz"},
		{"--base-url", "https://user:" + canaryUserinfo.text + "@api.test/"}, {"--base-url", "https://api.test/?key=" + canaryKey.text},
		{"--base-url", "https://%zz/?key=" + canaryKey.text}, {"--api-key", canaryKey.text + " " + canaryKey.text},
		{"--callback-secret", canaryCallback.text + "%"}, {"--callback-secret", canaryHook.text}, {"--callback-secret", canaryCallback.text[:20]},
		{"--sink", "crm=http://user:" + canaryUserinfo.text + "@127.0.0.1/"}, {"--sink", "crm:odd=https://a.test/" + canarySink.text},
		{"--sink", "https://a.test/" + canarySink.text}, {"--sink", "crm=https://%zz/" + canarySink.text},
		{"--sink", "a=https://a.test/" + canarySink.text, "--sink", "a=https://a.test/" + canarySink.text},
		{"--sink", "crm=http://10.0.0.1/" + canarySink.text},
		{"--api-token", token}, {"--api-token", "shop:rw:" + token}, {"--webhook-secrt=" + canaryHook.text},
	} {
		if printed := a.run(append([]string{"serve"}, args...)...); args[0] != "--help" && !strings.HasPrefix(printed, "shotline: ") {
			a.t.Errorf("serve %q was not refused: %s", args, printed)
		}
	}
}
