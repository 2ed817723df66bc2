package chrome

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"shotline/client/sandbox"
)

// changingPage is a page that is red at first and becomes blue some time after
// its load event.
const changingPage = `<!doctype html><style>body{margin:0;height:100vh;background:#d02010}</style>
	<script>onload = () => setTimeout(() => { document.body.style.background = "#1030c0" }, 150)</script>`

func TestOptionDelay(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, changingPage)
	img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Delay: 600 * time.Millisecond}}), 300, 200)
	wantColor(t, img, 150, 100, blue)
}

// A page that does not finish loading is captured as it is.
func TestOptionMaxWait(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			select {
			case <-done:
			case <-r.Context().Done():
			}
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>half</title><style>body{margin:0;height:100vh;background:#10a030}</style><img src="/never">`))
	})
	r := mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{MaxWait: 500 * time.Millisecond}})
	wantColor(t, singleImage(t, r, 300, 200), 150, 100, green)
	if r.Title != "half" {
		t.Errorf("title is %q", r.Title)
	}
	wantError(t, sandbox.RenderRequest{URL: url + "never", Pace: sandbox.Pace{MaxWait: 300 * time.Millisecond}}, "max_wait", "did not answer")
}

func TestOptionHidePopups(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><style>body{margin:0;height:100vh;background:#10a030;overflow:hidden}
		header{position:fixed;top:0;width:100%;height:20px;background:#1030c0}
		.layer{position:fixed;inset:0;background:#d02010;z-index:1000}
		.bar{position:fixed;bottom:0;width:100%;height:60px;background:#d02010}</style>
		<header>the page's own</header>
		<div class="layer">Subscribe!</div>
		<div class="bar" id="cookie-bar">We use cookies <button>Agree</button></div>`)
	covered := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url}), 300, 200)
	wantColor(t, covered, 250, 100, red)
	free := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{HidePopups: true}}), 300, 200)
	wantColor(t, free, 250, 100, green)
	wantColor(t, free, 250, 190, green)
	wantColor(t, free, 250, 10, blue)
}

func TestOptionScriptInline(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	r := mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{
		Script: `document.title = "changed"; document.querySelector("div").style.background = "#10a030"`,
	}})
	wantColor(t, singleImage(t, r, 300, 200), 150, 100, green)
	if r.Title != "changed" {
		t.Errorf("title is %q", r.Title)
	}
	wantError(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Script: `throw new Error("on purpose")`}}, "script", "on purpose")
	wantError(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Script: `this is no script`}}, "script", "SyntaxError")
}

// steppable is a page on which every step command has an effect.
const steppable = `<!doctype html><style>body{margin:0;height:2000px;background:#d02010}#end{position:absolute;top:1500px}</style>
	<input id="name"><button id="go">go</button><p id="end">end</p>
	<script>
	const name = document.querySelector("#name");
	document.querySelector("#go").onclick = () => {
		document.title = name.value;
		setTimeout(() => {
			document.body.style.background = "#10a030";
			document.body.insertAdjacentHTML("beforeend", "<i id=late></i>");
		}, 100);
	};
	</script>`

func TestOptionSteps(t *testing.T) {
	t.Parallel()
	r := mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, steppable), HTML: true, Pace: sandbox.Pace{Steps: []sandbox.Step{
		{Command: sandbox.StepScreenshot},
		{Command: sandbox.StepFill, Selector: "#name", Value: `Ada "L" <b>`},
		{Command: sandbox.StepClick, Selector: "#go"},
		{Command: sandbox.StepWait, Selector: "#late"},
		{Command: sandbox.StepWait, Wait: 10 * time.Millisecond},
		{Command: sandbox.StepScroll, Y: 700},
		{Command: sandbox.StepScroll, Selector: "#end"},
	}}})
	if r.Title != `Ada "L" <b>` {
		t.Errorf("title is %q", r.Title)
	}
	if len(r.Shots) != 2 {
		t.Fatalf("got %d images, want one of the step and the final one", len(r.Shots))
	}
	wantColor(t, decode(t, r.Shots[0]), 250, 150, red)
	wantColor(t, decode(t, r.Shots[1]), 250, 150, green)
}

// A click reaches the element even if another element covers it. It is a tap if
// the screen is a touch screen.
func TestOptionStepsClick(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>?</title><style>div{position:fixed;inset:0}</style>
		<button id="free">a</button><button id="under">b</button>
		<script>
			const report = text => { if (document.title === "?") document.title = text }
			free.onpointerdown = e => report(e.pointerType)
			under.onclick = () => report("under")
			if (location.search) document.body.insertAdjacentHTML("beforeend", "<div onclick='report(\"cover\")'></div>")
		</script>`)
	for _, c := range []struct {
		query, selector string
		touch           bool
		want            string
	}{
		{"", "#free", false, "mouse"},
		{"", "#free", true, "touch"},
		{"?covered", "#under", false, "under"},
	} {
		r := mustRender(t, sandbox.RenderRequest{URL: url + c.query, Device: sandbox.Device{Touch: c.touch},
			Pace: sandbox.Pace{Steps: []sandbox.Step{{Command: sandbox.StepClick, Selector: c.selector}}}})
		if r.Title != c.want {
			t.Errorf("%s%s with touch %v: got %q, want %q", c.query, c.selector, c.touch, r.Title, c.want)
		}
	}
}

// A click without a target is in the center of the screen.
func TestOptionStepsClickWithoutTarget(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>?</title><style>html,body{height:100%;margin:0}</style>
		<script>onclick = e => document.title = e.clientX / innerWidth + " " + e.clientY / innerHeight + " " + e.isTrusted</script>`)
	for _, touch := range []bool{false, true} {
		r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Touch: touch},
			Pace: sandbox.Pace{Steps: []sandbox.Step{{Command: sandbox.StepClick}, {Command: sandbox.StepWait, Wait: 50 * time.Millisecond}}}})
		if r.Title != "0.5 0.5 true" {
			t.Errorf("with touch %v: got %q", touch, r.Title)
		}
	}
}

// StepType presses keys one after another and appends to the content.
func TestOptionStepsType(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><input id="name" value="Dr. "><input id="mail" type="email" value="ada"><textarea id="text">a
b</textarea><p id="free" contenteditable>c <b>d</b></p><script>
		const keys = []
		onkeydown = e => { if (e.isTrusted && e.key !== "") keys.push(e.key) }
		oninput = () => document.title = [name1.value, mail.value, text.value, free.textContent, keys.length].join("|")
		const name1 = document.getElementById("name")
	</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Steps: []sandbox.Step{
		{Command: sandbox.StepType, Selector: "#name", Value: `Ä"L`},
		{Command: sandbox.StepType, Selector: "#mail", Value: "@x"},
		{Command: sandbox.StepType, Selector: "#text", Value: "c"},
		{Command: sandbox.StepType, Selector: "#free", Value: "e"},
	}}})
	if want := "Dr. Ä\"L|ada@x|a b" + "c|c de|7"; r.Title != want {
		t.Errorf("fields are %q, want %q", r.Title, want)
	}
}

func TestOptionStepsScroll(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	by := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Steps: []sandbox.Step{{Command: sandbox.StepScroll, Y: 350}}}}), 300, 200)
	wantColor(t, by, 100, 100, blue)
	to := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Steps: []sandbox.Step{{Command: sandbox.StepScroll, Selector: "div:last-child"}}}}), 300, 200)
	wantColor(t, to, 100, 100, green)
}

func TestOptionStepsFail(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, steppable)
	for _, c := range []struct {
		name  string
		step  sandbox.Step
		words []string
	}{
		{"no such element", sandbox.Step{Command: sandbox.StepWait, Selector: "#nowhere", Wait: 100 * time.Millisecond}, []string{"step 1 (wait)", "no element matches"}},
		{"bad selector", sandbox.Step{Command: sandbox.StepClick, Selector: "#["}, []string{"step 1 (click)", "not a valid CSS selector"}},
		{"no field to type in", sandbox.Step{Command: sandbox.StepType, Selector: "#end", Value: "x"}, []string{"step 1 (type)", "does not accept text"}},
		{"no field", sandbox.Step{Command: sandbox.StepFill, Selector: "#end", Value: "x"}, []string{"step 1 (fill)", "does not accept text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantError(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Steps: []sandbox.Step{c.step}}}, c.words...)
		})
	}
}

// If a click leads to another page, the image shows that page.
func TestOptionStepsLeadAway(t *testing.T) {
	t.Parallel()
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		page := `<!doctype html><style>body{background:#d02010}</style><a href="/next">next</a>`
		if strings.HasPrefix(r.URL.Path, "/next") {
			page = `<!doctype html><title>next</title><style>body{background:#1030c0}</style>`
		}
		_, _ = w.Write([]byte(page))
	})
	r := mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Steps: []sandbox.Step{{Command: sandbox.StepClick, Selector: "a"}}}})
	wantColor(t, singleImage(t, r, 300, 200), 250, 150, blue)
	if r.Title != "next" || r.FinalURL != url+"next" {
		t.Errorf("title %q, URL %s", r.Title, r.FinalURL)
	}
}

// The images of one page show it at different times.
func TestOptionShots(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><style>body{margin:0;height:100vh;background:#d02010}</style><script>
		onload = () => setTimeout(() => { document.body.style.background = "#1030c0" }, 500)</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Images: 3, ShotInterval: 700 * time.Millisecond}})
	if len(r.Shots) != 3 {
		t.Fatalf("got %d images, want 3", len(r.Shots))
	}
	wantColor(t, decode(t, r.Shots[2]), 150, 100, blue)
	if string(r.Shots[0].Data) == string(r.Shots[2].Data) {
		t.Error("the first and the last image are equal")
	}
}
