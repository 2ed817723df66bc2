package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestSheetInBrowser opens sheets from disk and checks that all rows can be found,
// with and without a folder, and with few rows.
func TestSheetInBrowser(t *testing.T) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(findBrowser(t)), chromedp.NoSandbox)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // a busy machine
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.EmulateViewport(1280, 900)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var problems []string
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			problems = append(problems, e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			problems = append(problems, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// until waits until a script returns the wanted text.
	until := func(script, want string) {
		t.Helper()
		got := ""
		for range 300 {
			text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+script+")"))
			if err != nil {
				t.Fatalf("%s: %v", script, err)
			}
			if got = text; got == want {
				return
			}
			time.Sleep(50 * time.Millisecond) // the page has no event for it
		}
		t.Fatalf("%s is %q, want %q", script, got, want)
	}
	const count, cards = `document.querySelector(".count").textContent`, `[...document.querySelectorAll("figure")].filter(f => !f.hidden)`
	for name, test := range map[string]struct {
		rows, failed string
		n            int
	}{"few": {"40 rows", "4 of 40 rows", 40}, "many": {"1,300 rows", "130 of 1,300 rows", 1300}} {
		sheet := filepath.Join(t.TempDir(), "50% of #1.html")
		if code, _, stderr := invoke(t, "summary", "sheet", "--db", sheetDatabase(t, test.n), "--format", "html", "--caption", "SKU", "--out", sheet); code != exitOK {
			t.Fatal(stderr)
		}
		address := "file://" + strings.NewReplacer("%", "%25", "#", "%23", " ", "%20").Replace(sheet)
		if _, err := chromedp.Run(ctx, chromedp.Navigate(address)); err != nil {
			t.Fatal(err)
		}
		until(count, test.rows)
		until(cards+`[0].id`, "row-1")
		until(`document.querySelector('[data-state="e"]').click() || `+count, test.failed)
		until(cards+`[1].textContent.includes("S-20")`, "true")
		until(`document.querySelector(".clear").click() || `+count, test.rows)
		until(`(i => { i.value = "S-37"; i.dispatchEvent(new Event("input")); return "" })(document.querySelector(".tools input"))`, "")
		until(cards+`[0].id`, "row-37")
		until(`document.querySelector('a[href="#reason-1"]').click() || `+count, test.failed+" · no such page")
		until(`document.querySelector(".first").click() || document.querySelector(".clear").click() || `+cards+`[0].id`, "row-10")
		// A link to a row far below.
		until(`(location.hash = "row-39", document.querySelector("#row-39") !== null && document.querySelector("#row-39").getBoundingClientRect().top < innerHeight)`, "true")
		if name == "many" {
			until(`(location.hash = "row-1299", document.querySelector("#row-1299") !== null && document.querySelector("#row-1299").getBoundingClientRect().top < innerHeight)`, "true")
			until(cards+`.length < 100`, "true")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(problems) > 0 {
		t.Errorf("the browser reported %q", problems)
	}
}
