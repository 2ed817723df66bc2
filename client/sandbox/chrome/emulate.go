package chrome

import (
	"context"
	"fmt"
	"strings"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// touchPoints is how many fingers a phone's screen tells apart.
const touchPoints = 5

// pretence is all that a tab has been told to pretend.
type pretence struct {
	sandbox.Device
	strictSSL bool
}

// emulate makes the browser pretend to be the device. Every setting is sent,
// also the one that was not asked for, unless the tab pretends just that
// already.
func (r *run) emulate(ctx context.Context) error {
	wanted := pretence{r.req.Device, r.req.StrictSSL}
	if r.tab.pretends == wanted {
		return nil
	}
	r.tab.pretends = wanted
	for _, setting := range []struct {
		name string
		set  func(context.Context) error
	}{
		{"screen size", r.emulateScreen},
		{"touch", r.emulateTouch},
		{"user_agent", r.emulateAgent},
		{"language", r.emulateLocale},
		{"timezone", r.emulateTimezone},
		{"colour scheme", func(ctx context.Context) error { return r.emulateMedia(ctx, "screen") }},
		{"location", r.emulateLocation},
		{"strict_ssl", r.emulateTrust},
	} {
		if err := setting.set(ctx); err != nil {
			return fmt.Errorf("set the %s: %w", setting.name, err)
		}
	}
	return nil
}

func (r *run) emulateScreen(ctx context.Context) error {
	d := r.req.Device
	orientation := &emulation.ScreenOrientation{Type: emulation.ScreenOrientationTypePortraitPrimary}
	if d.ScreenWidth > d.ScreenHeight {
		orientation.Type = emulation.ScreenOrientationTypeLandscapePrimary
		if d.Mobile {
			orientation.Angle = 90 // a phone lies; a desk screen stands that way
		}
	}
	return send(ctx, r.target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(d.ScreenWidth), Height: int64(d.ScreenHeight),
		ScreenWidth: int64(d.ScreenWidth), ScreenHeight: int64(d.ScreenHeight),
		DeviceScaleFactor: d.Scale, Mobile: d.Mobile, ScreenOrientation: orientation,
	})
}

func (r *run) emulateTouch(ctx context.Context) error {
	touch := emulation.SetTouchEmulationEnabledParams{Enabled: r.req.Touch}
	if r.req.Touch {
		touch.MaxTouchPoints = touchPoints
	}
	return send(ctx, r.target, emulation.SetTouchEmulationEnabled, touch)
}

// emulateAgent sets what requests and scripts read of the browser. An empty
// user agent leaves the browser's own.
func (r *run) emulateAgent(ctx context.Context) error {
	return send(ctx, r.target, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent:         r.req.UserAgent,
		AcceptLanguage:    acceptLanguage(r.req.Language),
		Platform:          agentPlatform(r.req.UserAgent),
		UserAgentMetadata: agentMetadata(r.req.UserAgent, r.req.Mobile),
	})
}

// acceptLanguage lists a language and, after a regional one, the language
// itself: "fr-FR,fr". The browser adds the weights.
func acceptLanguage(language string) string {
	if base, _, regional := strings.Cut(language, "-"); regional {
		return language + "," + base
	}
	return language
}

// emulateLocale sets how dates and numbers are written.
func (r *run) emulateLocale(ctx context.Context) error {
	return send(ctx, r.target, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{
		Locale: strings.ReplaceAll(r.req.Language, "-", "_"),
	})
}

func (r *run) emulateTimezone(ctx context.Context) error {
	err := send(ctx, r.target, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: r.req.Timezone})
	if err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Invalid timezone") {
		return faultf("timezone: the browser knows no %q", r.req.Timezone)
	}
	return err
}

// emulateMedia sets the medium, "screen" for pictures, and the colour scheme.
func (r *run) emulateMedia(ctx context.Context, medium string) error {
	scheme := "light"
	if r.req.Dark {
		scheme = "dark"
	}
	return send(ctx, r.target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media:    medium,
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// emulateLocation answers a page that asks where it is. Without a location the
// page is refused, as nobody is there to permit it.
func (r *run) emulateLocation(ctx context.Context) error {
	setting, place := cdpbrowser.PermissionSettingDenied, emulation.SetGeolocationOverrideParams{}
	if at := r.req.Location; at != nil {
		setting, place = cdpbrowser.PermissionSettingGranted, position(*at)
	}
	if err := send(ctx, r.target, emulation.SetGeolocationOverride, place); err != nil {
		return err
	}
	_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
		Permission:       &cdpbrowser.PermissionDescriptor{Name: "geolocation"},
		Setting:          setting,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	})
	return err
}

// position is a place as precise as a phone would know it.
func position(at sandbox.Location) emulation.SetGeolocationOverrideParams {
	accuracy := 10.0 // metres
	return emulation.SetGeolocationOverrideParams{Latitude: &at.Latitude, Longitude: &at.Longitude, Accuracy: &accuracy}
}

// emulateTrust lets bad certificates pass unless they are to fail.
func (r *run) emulateTrust(ctx context.Context) error {
	_, err := cdp.Call(ctx, r.target, security.SetIgnoreCertificateErrors,
		security.SetIgnoreCertificateErrorsParams{Ignore: !r.req.StrictSSL})
	return err
}
