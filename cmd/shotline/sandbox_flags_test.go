package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
)

// TestAllowPrivate checks that the browser opens a page on loopback only if
// --allow-private contains its network.
func TestAllowPrivate(t *testing.T) {
	findBrowser(t)
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<title>next door</title>"))
	}))
	defer page.Close()
	for _, test := range []struct {
		name, title string
		args        []string
	}{
		{"not named", "", nil},
		{"another network", "", []string{"--allow-private", "10.0.0.0/8"}},
		{"named", "next door", []string{"--allow-private", "10.0.0.0/8", "--allow-private", "127.0.0.1/8"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := &cli.App{
				Flags: copyFlags([]cli.Flag{rendererFlag, chromeFlag, tabsFlag, pageTimeFlag, privateFlag}),
				Action: func(c *cli.Context) error {
					r, err := newRenderer(c, slog.New(slog.DiscardHandler))
					if err != nil {
						return err
					}
					defer r.Close()
					made, err := r.Render(c.Context, sandbox.RenderRequest{
						URL: page.URL, Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 320, ScreenHeight: 200},
					})
					if made.Title != test.title || (err == nil) != (test.title != "") {
						t.Errorf("title is %q, error %v", made.Title, err)
					}
					return nil
				},
			}
			if err := app.RunContext(t.Context(), append([]string{"shotline", "--renderer", "chrome", "--tabs", "1"}, test.args...)); err != nil {
				t.Fatal(err)
			}
		})
	}
}
