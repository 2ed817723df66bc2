package sqlite

// shieldedURL is a URL without its user and password. In one that was normalised
// these end at the first @, if that stands before the path; one that was rejected
// may have any form.
const shieldedURL = `CASE WHEN instr(url, '@') = 0 THEN url
	WHEN state = 'rejected' THEN ''
	WHEN instr(url, '@') > instr(url, '://') + 2 + instr(substr(url, instr(url, '://') + 3) || '/', '/') THEN url
	ELSE substr(url, 1, instr(url, '://') + 2) || substr(url, instr(url, '@') + 1) END`

// searchedURL is where a text is looked for.
func searchedURL(shielded bool) string {
	if shielded {
		return shieldedURL
	}
	return "url"
}
