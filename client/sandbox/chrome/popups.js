// Hides consent banners, dialogs and full-screen overlays, and lets the page
// scroll again. This is best effort: it decides by names, roles and styles, and
// keeps elements that might be the page itself. It clicks nothing, so it consents
// to nothing.
(() => {
	"use strict";

	// Elements of common consent managers.
	const known = [
		"#onetrust-consent-sdk", "#onetrust-banner-sdk",
		"#CybotCookiebotDialog", "#CybotCookiebotDialogBodyUnderlay",
		"#usercentrics-root", "#usercentrics-cmp-ui",
		"#didomi-host", "#qc-cmp2-container", ".qc-cmp2-container",
		"#truste-consent-track", ".truste_overlay", ".truste_box_overlay",
		"#sp_message_container, [id^='sp_message_container_']",
		"#cmpbox", "#cmpbox2", "#cmpwrapper", "#cmplz-cookiebanner-container",
		".fc-consent-root", ".iubenda-cs-container", "#iubenda-cs-banner",
		"#cookie-law-info-bar", ".cky-consent-container", ".cky-overlay",
		".cc-window", ".cc-banner", ".cookieconsent", "#cookieconsent",
		".osano-cm-window", "#tarteaucitronRoot", "#axeptio_overlay",
		".klaro", "#BorlabsCookieBox", "#cookiescript_injected",
		"#hs-eu-cookie-confirmation", "#shopify-pc__banner",
		"#ez-cookie-dialog-wrapper", ".termly-styles-root", "#termly-code-snippet-support",
	];
	const dialogs = "dialog[open], [role=dialog], [role=alertdialog], [aria-modal=true]";
	const furniture = "header, nav, [role=banner], [role=navigation]"; // fixed elements that belong to the page
	const names = /cookie|consent|gdpr|ccpa|newsletter|subscribe-?(modal|popup)|popup|pop-up|paywall/i;
	const words = /cookie|consent|privacy|gdpr|datenschutz|einwillig|confidentialit|privacidad|consentimiento|riservatezza|toestemming|samtyck|απόρρητο|クッキー/i;
	const overlayIndex = 10; // minimum z-index of a full-screen overlay
	const coverage = 0.7; // minimum share of the viewport that a full-screen layer covers

	const body = document.body;
	if (!body) return;
	const screenArea = innerWidth * innerHeight;
	const allText = body.textContent.length;
	let hidden = 0;

	const hide = element => {
		element.style.setProperty("display", "none", "important");
		hidden++;
	};
	// An element with most of the text is the page itself, regardless of its style.
	const isPage = element => element === body || element === document.documentElement ||
		element.tagName === "MAIN" || element.textContent.length > allText / 2 && allText > 2000;
	const pinned = style => style.position === "fixed" || style.position === "sticky";
	const covered = element => {
		const box = element.getBoundingClientRect();
		const width = Math.min(box.right, innerWidth) - Math.max(box.left, 0);
		const height = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
		return width > 0 && height > 0 ? width * height / screenArea : 0;
	};
	const label = element => element.id + " " + (element.getAttribute("class") ?? "") + " " + (element.getAttribute("aria-label") ?? "");
	const asks = element => words.test(element.textContent) &&
		element.querySelector("button, [role=button], input[type=button], input[type=submit], a[class*=btn], a[class*=button]") !== null;

	for (const element of document.querySelectorAll(known.join(", "))) hide(element);

	for (const element of document.querySelectorAll(dialogs)) {
		if (isPage(element)) continue;
		let layer = element;
		while (layer && layer !== body && !/fixed|absolute|sticky/.test(getComputedStyle(layer).position)) layer = layer.parentElement;
		const modal = element.matches("dialog:modal");
		if (modal || layer && layer !== body && !isPage(layer)) hide(modal ? element : layer);
		// The rest of the page stays inert until the dialog is closed.
		if (modal) element.close();
	}

	for (const element of body.querySelectorAll("*")) {
		const style = getComputedStyle(element);
		if (!pinned(style) || style.display === "none" || isPage(element)) continue;
		const whole = style.position === "fixed" && covered(element) >= coverage && Number(style.zIndex) >= overlayIndex;
		const banner = !element.matches(furniture) && (names.test(label(element)) || asks(element));
		if (whole || banner) hide(element);
	}

	if (hidden === 0) return;
	for (const root of [document.documentElement, body]) {
		const style = getComputedStyle(root);
		if (/hidden|clip/.test(style.overflowY)) root.style.setProperty("overflow", "visible", "important");
		if (style.position === "fixed") root.style.setProperty("position", "static", "important");
	}
})();
