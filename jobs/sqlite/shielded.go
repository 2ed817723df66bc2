package sqlite

// shieldedURL is the URL without its user and password. In a normalised URL they
// end at the first @, provided that it comes before the path. A rejected URL can
// have any form, so nothing of it is searched.
const shieldedURL = `CASE WHEN instr(url, '@') = 0 THEN url
	WHEN state = 'rejected' THEN ''
	WHEN instr(url, '@') > instr(url, '://') + 2 + instr(substr(url, instr(url, '://') + 3) || '/', '/') THEN url
	ELSE substr(url, 1, instr(url, '://') + 2) || substr(url, instr(url, '@') + 1) END`

// searchedURL returns the SQL expression in which a text is searched.
func searchedURL(shielded bool) string {
	if shielded {
		return shieldedURL
	}
	return "url"
}
