package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/client/sandbox"
	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/jobs/tasks"
	"shotline/orchestrator/engine"
)

// doctor makes the checks of the command doctor, one after the other.
type doctor struct {
	c      *cli.Context
	list   []diagnosis
	store  jobs.Store     // nil if it cannot be opened
	vendor *client.Client // nil without a key
}

func (d *doctor) close() {
	if d.store != nil {
		_ = d.store.Close()
	}
	if d.vendor != nil {
		d.vendor.CloseIdleConnections()
	}
}

// examine makes all checks. Later checks use what earlier ones have opened.
func (d *doctor) examine() {
	for _, check := range []func(){
		d.checkKey, d.checkClock, d.checkApp, d.checkSecret, d.checkDatabase, d.checkDisk, d.checkWorkers, d.checkQueue, d.checkPorts,
		d.checkFiles, d.checkDelivery, d.checkLive,
	} {
		if d.c.Context.Err() != nil {
			return
		}
		check()
	}
}

// checkKey checks the key and the balance.
func (d *doctor) checkKey() {
	const name = "key"
	key := trimSpace(d.c.String(apiKeyFlag.Name))
	if key == "" {
		d.found(name, failed, "no API key is set", "without it nothing can be submitted or looked up", "set SCREENSHOTCENTER_API_KEY")
		return
	}
	vendor, err := vendorFrom(d.c, key)
	if err != nil {
		d.found(name, failed, err.Error(), "", "correct --base-url or the key")
		return
	}
	account, err := vendor.Account(d.c.Context)
	switch {
	case errors.Is(err, client.ErrUnauthorized):
		d.found(name, failed, "the vendor refuses the key", "every create would be refused, and batches would be paused", "set SCREENSHOTCENTER_API_KEY to a key of the account")
		vendor.CloseIdleConnections()
		return
	case err != nil:
		d.found(name, failed, "the vendor does not answer: "+shortError(err), "submission waits until it does", "check the network and --base-url")
		vendor.CloseIdleConnections()
		return
	}
	d.vendor = vendor
	d.found(name, fine, "the vendor accepts the key", "", "")
	if account.Balance <= 0 {
		d.found("balance", failed, summary.Credits(account.Balance), "creates are refused, and batches are paused", "buy credits, then `shotline resume BATCH`")
		return
	}
	d.found("balance", fine, summary.Credits(account.Balance), "", "")
}

// maxSkew is how far the clock may be from the vendor's.
const maxSkew = 30 * time.Second

// checkClock compares the clock with the Date header of the vendor.
func (d *doctor) checkClock() {
	const name = "clock"
	if d.vendor == nil {
		d.found(name, skipped, "the vendor does not answer with this key", "", "")
		return
	}
	ctx, cancel := context.WithTimeout(d.c.Context, d.c.Duration(requestTimeoutFlag.Name))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, d.c.String(baseURLFlag.Name), http.NoBody)
	if err != nil {
		d.found(name, skipped, shortError(err), "", "")
		return
	}
	before := clock.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.found(name, skipped, shortError(err), "", "")
		return
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		d.found(name, skipped, "the vendor's answer has no date", "", "")
		return
	}
	skew := before.Sub(date)
	if skew.Abs() > maxSkew {
		d.found(name, warning, fmt.Sprintf("it differs by %s from the vendor's", skew.Abs().Round(time.Second)), "times in reports are wrong, and a clock that jumps can end leases early", "synchronize it: timedatectl set-ntp true")
		return
	}
	d.found(name, fine, "it agrees with the vendor's", "", "")
}

func (d *doctor) checkApp() {
	const name = "app"
	given, err := apps(d.c)
	switch {
	case err != nil:
		d.found(name, failed, err.Error(), "", "set SCREENSHOTCENTER_APP_ID to the id of the webhook app")
	case len(given) == 0:
		d.found(name, warning, "no webhook app is named", "the vendor sends no webhooks, so results are polled, which takes longer", "set SCREENSHOTCENTER_APP_ID to the id of the webhook app")
	default:
		d.found(name, fine, "the vendor notifies app "+given[0].ID, "", "")
	}
}

// shortSecret is the length below which a secret is easily guessed.
const shortSecret = 16

func (d *doctor) checkSecret() {
	const name = "secret"
	secrets := d.c.StringSlice(secretFlag.Name)
	switch {
	case len(secrets) == 0 || secrets[0] == "":
		d.found(name, failed, "no webhook secret is set", "serve does not start, because anybody could close jobs", "set WEBHOOK_SECRET to the signing secret of the webhook app")
	case len(secrets[0]) < shortSecret:
		d.found(name, warning, fmt.Sprintf("the webhook secret has only %s", number.Of(len(secrets[0]), "character")), "a short secret can be guessed", "use a longer one in the vendor's webhook app and in WEBHOOK_SECRET")
	default:
		d.found(name, fine, number.Of(len(secrets), "webhook secret")+" set", "", "")
	}
}

// openToAll are the permissions that let other users read a file.
const openToAll = 0o077

func (d *doctor) checkDatabase() {
	const name = "database"
	path := d.c.String(dbFlag.Name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		d.found(name, warning, path+" does not exist yet", "the first serve, run or submit creates it", "")
		return
	}
	if err == nil {
		d.store, err = openStore(d.c.Context, path, jobs.OpenOptions{})
	}
	if err != nil {
		d.found(name, failed, err.Error(), "nothing works without it", "name the right file with --db, or restore a backup")
		return
	}
	if mode := info.Mode().Perm(); mode&openToAll != 0 {
		d.found(name, warning, fmt.Sprintf("other users may open %s (mode %04o)", path, mode), "it contains URLs, and perhaps cookies and headers of rows", "chmod 600 "+path)
		return
	}
	text := fmt.Sprintf("%s, %d KiB", path, info.Size()>>10)
	if reporter, ok := d.store.(statsReporter); ok {
		text += fmt.Sprintf(", log %d KiB", reporter.Stats().WALBytes>>10)
	}
	d.found(name, fine, text, "", "")
}

func (d *doctor) checkDisk() {
	if err := enoughFree(d.c.String(dbFlag.Name)); err != nil && d.store != nil {
		d.found("disk", failed, err.Error(), "webhooks are answered 503 when it is full", "free some space")
		return
	}
	if free, _, err := freeSpace(d.c.String(dbFlag.Name)); err == nil {
		d.found("disk", fine, fmt.Sprintf("%.1f GB are free", float64(free)/1e9), "", "")
	}
}

// checkWorkers shows what holds the workers, as status does.
func (d *doctor) checkWorkers() {
	const name = "work"
	if d.store == nil {
		d.found(name, skipped, "there is no database", "", "")
		return
	}
	found, err := finding.OfWorkers(d.c.Context, d.store, clock.Now())
	if err != nil {
		d.found(name, failed, err.Error(), "", "")
		return
	}
	for _, f := range found {
		d.found(name, warning, f.Text, "", f.Mend)
	}
	if len(found) == 0 {
		d.found(name, fine, "a serve or run is at work", "", "")
	}
}

func (d *doctor) checkQueue() {
	const name = "queue"
	url := d.c.String(redisFlag.Name)
	if url == "" {
		d.found(name, fine, "embedded", "", "")
		return
	}
	ctx, cancel := context.WithTimeout(d.c.Context, d.c.Duration(requestTimeoutFlag.Name))
	defer cancel()
	redis, err := tasks.Examine(ctx, url)
	switch {
	case err != nil:
		d.found(name, failed, "Redis does not answer: "+shortError(err), "no new work begins; webhooks are kept", "start Redis, or correct --redis-url")
	case len(redis.Paused) > 0:
		d.found(name, failed, "paused: "+redis.Paused[0], "its tasks do not run", "asynq queue unpause "+redis.Paused[0])
	case redis.Policy != "" && redis.Policy != "noeviction":
		d.found(name, warning, "Redis may remove keys: maxmemory-policy is "+redis.Policy, "tasks can get lost; they are enqueued again later", "redis-cli config set maxmemory-policy noeviction")
	default:
		d.found(name, fine, redis.Description, "", "")
	}
}

// checkPorts checks that serve can listen, or that one does.
func (d *doctor) checkPorts() {
	for _, of := range []struct{ name, flag, address string }{
		{"webhooks", listenFlag.Name, listenAddress(d.c)}, {"api", apiListenFlag.Name, d.c.String(apiListenFlag.Name)},
	} {
		if of.address == "" {
			continue
		}
		listener, err := net.Listen("tcp", of.address)
		if err == nil {
			listener.Close()
			d.found(of.name, fine, of.address+" is free", "", "")
			continue
		}
		if d.isServing() {
			d.found(of.name, fine, of.address+" is in use, and a serve is running", "", "")
			continue
		}
		d.found(of.name, failed, of.address+": "+shortError(err), "serve cannot start there", "end the other program, or choose another address with --"+of.flag)
	}
}

func (d *doctor) isServing() bool {
	if d.store == nil {
		return false
	}
	workers, err := d.store.Workers(d.c.Context, clock.Now().Add(-jobs.WorkerAlive))
	return err == nil && len(workers) > 0
}

// fewDescriptors is the number of file descriptors below which serve warns.
const fewDescriptors = 1024

func (d *doctor) checkFiles() {
	n := descriptors()
	if n < fewDescriptors {
		d.found("files", warning, number.Of(n, "file descriptor"), "serve opens fewer connections", "raise `ulimit -n`, or LimitNOFILE in the systemd unit")
		return
	}
	d.found("files", fine, number.Of(n, "file descriptor"), "", "")
}

// checkDelivery sends a signed webhook of each dialect to the public address.
func (d *doctor) checkDelivery() {
	const name = "delivery"
	to, secrets := d.c.String(doctorURLFlag.Name), d.c.StringSlice(secretFlag.Name)
	switch {
	case to == "":
		d.found(name, skipped, "no --public-url", "", "")
		return
	case len(secrets) == 0 || secrets[0] == "":
		d.found(name, skipped, "no webhook secret", "", "")
		return
	}
	for _, dialect := range []sandbox.Dialect{sandbox.DialectA, sandbox.DialectB} {
		id := strconv.FormatInt(clock.Now().UnixMilli(), 10)
		w := dialect.Webhook(sandbox.Report{ID: id, URL: "https://example.com/", ImageURL: "https://example.com/" + id + ".png", Width: 1280, Height: 800, CreatedAt: clock.Now()})
		answer, err := poster{to: to, dialect: dialect, secret: secrets[0], flag: doctorURLFlag.Name}.post(d.c.Context, w)
		switch {
		case err != nil:
			d.found(name, failed, err.Error(), "the vendor's webhooks do not arrive either", "check DNS, the proxy and the firewall")
			return
		case answer.code == http.StatusUnauthorized:
			d.found(name, failed, "the signature was refused (401)", "serve has another secret", "give serve the same WEBHOOK_SECRET")
			return
		case answer.code == http.StatusNotFound:
			d.found(name, failed, "the path does not exist there (404)", "webhooks are lost", "correct the path: it ends with "+d.c.String(webhookPathFlag.Name))
			return
		case answer.result() != nil:
			d.found(name, failed, "it was answered "+answer.status, "the vendor repeats such webhooks and then gives up", "see the log of serve and of the proxy")
			return
		}
	}
	d.found(name, fine, "signed webhooks of both dialects arrive", "", "")
}

// livePage is the page of the real screenshot, and liveTime how long doctor waits for
// it.
const (
	livePage = "https://example.com/"
	liveTime = 3 * time.Minute
)

// checkLive makes a real screenshot, if --live is given.
func (d *doctor) checkLive() {
	const name = "live"
	switch {
	case !d.c.Bool(liveFlag.Name):
		return
	case !d.isServing():
		d.found(name, skipped, "no serve is running on this database yet", "", "start `shotline serve` with the same --db")
		return
	}
	j, err := d.store.AddJob(d.c.Context, jobs.BatchSpec{ID: engine.NewID(), Source: "doctor"}, jobs.Request{URL: livePage}, clock.Now())
	if err != nil {
		d.found(name, failed, err.Error(), "", "")
		return
	}
	ctx, cancel := context.WithTimeout(d.c.Context, liveTime)
	defer cancel()
	j, reason, err := d.awaitLive(ctx, j.ID)
	switch {
	case reason != "":
		d.found(name, failed, "the batch of job "+j.ID.String()+" was paused: "+reason, "", "correct the cause, then `shotline resume "+j.ID.Batch+"`")
	case err != nil:
		d.found(name, failed, fmt.Sprintf("job %s is still %s after %s", j.ID, j.State, liveTime), "", "`shotline explain "+j.ID.String()+"`")
	case j.State != jobs.Done:
		d.found(name, failed, fmt.Sprintf("job %s is %s: %s", j.ID, j.State, j.Error), "", "`shotline explain "+j.ID.String()+"`")
	case j.ClosedBy != jobs.ByWebhook:
		d.found(name, warning, fmt.Sprintf("job %s is done, but by %s", j.ID, j.ClosedBy), "its webhook did not arrive", "check the URL and the events of the webhook app, and --public-url")
	default:
		d.found(name, fine, fmt.Sprintf("job %s is done by its webhook after %s", j.ID, roundForDisplay(j.ClosedAt.Sub(j.CreatedAt))), "", "")
	}
}

// liveLook is how often doctor looks for the end of the real screenshot.
const liveLook = 200 * time.Millisecond

// awaitLive waits for the end of a job, or until its batch is paused with a reason.
func (d *doctor) awaitLive(ctx context.Context, id jobs.ID) (j jobs.Job, paused string, err error) {
	for {
		if j, err = d.store.Job(ctx, id); err != nil || !j.State.Open() {
			return j, "", err
		}
		b, err := d.store.Batch(ctx, id.Batch)
		if err != nil || b.State == jobs.BatchPaused {
			return j, b.PauseReason, err
		}
		if err := clock.Sleep(ctx, liveLook); err != nil {
			return j, "", err
		}
	}
}
