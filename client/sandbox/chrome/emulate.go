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

// touchPoints is the number of touch points of an emulated touch screen.
const touchPoints = 5

// emulatedDevice is the device that a tab emulates.
type emulatedDevice struct {
	sandbox.Device
	strictSSL bool
}

// emulate makes the browser emulate the device of the request. It sends all
// settings, including the defaults, unless the tab already emulates this device.
func (r *run) emulate(ctx context.Context) error {
	wanted := emulatedDevice{r.req.Device, r.req.StrictSSL}
	if r.tab.emulated == wanted {
		return nil
	}
	r.tab.emulated = wanted
	for _, setting := range []struct {
		name string
		set  func(context.Context) error
	}{
		{"screen size", r.emulateScreen},
		{"touch", r.emulateTouch},
		{"user_agent", r.emulateAgent},
		{"language", r.emulateLocale},
		{"timezone", r.emulateTimezone},
		{"color scheme", func(ctx context.Context) error { return r.emulateMedia(ctx, "screen") }},
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
			orientation.Angle = 90 // phones are rotated for landscape, but desktop screens are not
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

// emulateAgent sets the user agent for requests and scripts. If it is empty, the
// browser uses its own.
func (r *run) emulateAgent(ctx context.Context) error {
	return send(ctx, r.target, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent:         r.req.UserAgent,
		AcceptLanguage:    acceptLanguage(r.req.Language),
		Platform:          agentPlatform(r.req.UserAgent),
		UserAgentMetadata: agentMetadata(r.req.UserAgent, r.req.Mobile),
	})
}

// acceptLanguage returns the languages for Accept-Language. A regional language
// is followed by its base language: "fr-FR,fr". The browser adds the weights.
func acceptLanguage(language string) string {
	if base, _, regional := strings.Cut(language, "-"); regional {
		return language + "," + base
	}
	return language
}

// emulateLocale sets the format of dates and numbers.
func (r *run) emulateLocale(ctx context.Context) error {
	return send(ctx, r.target, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{
		Locale: strings.ReplaceAll(r.req.Language, "-", "_"),
	})
}

func (r *run) emulateTimezone(ctx context.Context) error {
	err := send(ctx, r.target, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: r.req.Timezone})
	if err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Invalid timezone") {
		return userErrorf("timezone: the browser does not know %q", r.req.Timezone)
	}
	return err
}

// emulateMedia sets the media type, which is "screen" for images, and the color
// scheme.
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

// emulateLocation sets the location that the browser reports to the page. Without
// a location the permission is denied, because no user could grant it.
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

// position returns a location with the accuracy of a phone.
func position(at sandbox.Location) emulation.SetGeolocationOverrideParams {
	accuracy := 10.0 // meters
	return emulation.SetGeolocationOverrideParams{Latitude: &at.Latitude, Longitude: &at.Longitude, Accuracy: &accuracy}
}

// emulateTrust makes the browser accept invalid certificates, unless StrictSSL is
// set.
func (r *run) emulateTrust(ctx context.Context) error {
	_, err := cdp.Call(ctx, r.target, security.SetIgnoreCertificateErrors,
		security.SetIgnoreCertificateErrorsParams{Ignore: !r.req.StrictSSL})
	return err
}
