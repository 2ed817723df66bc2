package sandbox

import "shotline/client/parameter"

// country reads the country in which the page should be opened. The vendor
// refuses an unknown country.
func (p *params) country(anyOne bool) string {
	given := p.word("country", defaultCountry)
	if !anyOne && !parameter.IsCountry(given) {
		p.refuse("country", "must be a two-letter country code such as us")
	}
	return given
}
