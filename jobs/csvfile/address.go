package csvfile

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"shotline/jobs/weburl"
)

// strongNames are names of a URL column that need no URL below them.
var strongNames = []string{"url", "urls"}

// urlNames are other names of URL columns, in the exports of programs that check
// and rank pages, in the languages of Search Console. If a header has several, the
// first in this list is used that has URLs below it. Names are folded by nameOf.
var urlNames = []string{
	"link", "links", "page url", "url page", "landing page url", "target url", "website url", "site url", "full url", "final url",
	"address", "adresse", "adresse url", "dirección", "direccion", "indirizzo", "endereço", "endereco", "adres", "adress", "адрес", "アドレス",
	"uri", "href", "loc", "permalink", "web address", "webadresse", "internetadresse", "webbadress", "webadres", "adres url",
	"top pages", "pages", "page", "landing page", "landing pages", "landingpage", "zielseite",
	"die häufigsten seiten", "häufigste seiten", "top-seiten", "top seiten", "seiten", "seite", "url der seite",
	"pages les plus populaires", "principales pages", "lien", "liens",
	"páginas principales", "páginas", "página", "enlace", "enlaces",
	"pagine principali", "pagine", "pagina", "collegamento",
	"principais páginas", "páginas principais",
	"toppagina's", "pagina's", "populairste pagina's",
	"najpopularniejsze strony", "najczęstsze strony", "strony", "strona", "adres strony",
	"mest populära sidor", "vanligaste sidorna", "sidor", "sida", "länk",
	"en çok ziyaret edilen sayfalar", "popüler sayfalar", "sayfalar", "sayfa", "bağlantı",
	"上位のページ", "ページ", "リンク", "热门网页", "网页", "页面", "网址", "链接", "熱門網頁", "網頁", "網址", "인기 페이지", "페이지", "링크",
	"популярные страницы", "страницы", "страница", "ссылка", "найпопулярніші сторінки", "сторінки",
	"populære sider", "de mest populære sider", "sider", "side", "suosituimmat sivut", "sivut", "oblíbené stránky", "stránky", "odkaz",
	"website", "web site", "webseite", "site web", "sito web", "sitio web", "site", "strona internetowa", "webbplats", "web sitesi", "веб-сайт", "сайт", "网站", "ウェブサイト",
	"homepage", "home page", "startseite", "webpage", "web page",
	"domain", "domains", "domaine", "dominio", "domínio", "domein", "domena", "domän", "домен", "ドメイン", "host", "hostname", "root domain",
}

// nameOf returns a name of a header in the form in which names are compared:
// Page_URL, page-url and "# page url" are one.
func nameOf(cell string) string {
	name := strings.ToLower(weburl.Trim(cell))
	name = weburl.Trim(strings.TrimPrefix(name, "#"))
	if slices.Contains(urlNames, name) {
		return name
	}
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == ' ' || r == '\u00a0' }), " ")
}

// strongColumn returns the index of the column url or urls, or -1. A column url
// that an earlier results file added does not count.
func strongColumn(header []string) int {
	for _, name := range strongNames {
		at := slices.IndexFunc(header, func(cell string) bool { return len(cell) < 64 && nameOf(cell) == name })
		if at >= 0 && at != addedURL(header) {
			return at
		}
	}
	return -1
}

// namedColumns returns the columns with a name of urlNames, in the order of that
// list.
func namedColumns(header []string) (columns []int) {
	names := make([]string, len(header))
	for i, cell := range header {
		names[i] = nameOf(cell)
	}
	for _, name := range urlNames {
		for i := range names {
			if names[i] == name {
				columns = append(columns, i)
			}
		}
	}
	return columns
}

// FindURLColumn returns the index of the first of the names that a URL column
// has, in the order of their certainty, or -1.
func FindURLColumn(header []string) int {
	if at := strongColumn(header); at >= 0 {
		return at
	}
	if named := namedColumns(header); len(named) > 0 {
		return named[0]
	}
	return -1
}

// columnNumber returns the number of a column, or 0 if the text is not one.
func columnNumber(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > maxCells {
		return 0
	}
	return n
}

// addressKind is how certainly a cell is the address of a page.
type addressKind int

const (
	noAddress  addressKind = iota
	webAddress             // with a scheme
	hostName               // without a scheme
	ipAddress              // without a scheme
)

var (
	fileEnding = regexp.MustCompile(`(?i)\.(avif|bmp|bz2|csv|css|docx?|gif|gz|html?|jpe?g|js|json|md|mp3|mp4|pdf|php|png|pptx?|py|rar|svg|tiff?|txt|webp|xlsx?|xml|ya?ml|zip)$`)
	pageEnding = regexp.MustCompile(`(?i)\.(html?|php|aspx?|jsp)$`)
)

// classify returns how certainly the text of a cell is the address of a page.
// Names of files and versions are not, although they look like hosts.
func classify(cell string) addressKind {
	text := weburl.Trim(cell)
	if len(text) < 4 || len(text) > weburl.MaxLength {
		return noAddress
	}
	if i := strings.IndexByte(text, ':'); i > 0 && i <= 6 {
		if scheme := strings.ToLower(strings.TrimPrefix(text[:i], "<")); scheme == "http" || scheme == "https" {
			if _, err := weburl.Normalize(text); err != nil {
				return noAddress
			}
			return webAddress
		}
	}
	if !strings.ContainsAny(text, ".。．｡[") || strings.ContainsAny(text, " \t\n@") {
		return noAddress
	}
	if !strings.Contains(text, "/") && fileEnding.MatchString(text) {
		return noAddress
	}
	normal, err := weburl.Normalize(text)
	if err != nil {
		return noAddress
	}
	u, err := url.Parse(normal)
	if err != nil {
		return hostName
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ipAddress
	}
	return hostName
}

// moreThanOne reports whether a text has a second URL after a space or a
// separator. If strict is not set, a separator in a query does not count.
func moreThanOne(text string, strict bool) bool {
	first := strings.Index(text, "://")
	if first >= 0 && strings.LastIndex(text, "://") > first {
		for _, found := range secondURL.FindAllStringIndex(text, -1) {
			between := text[found[0]:found[1]]
			separated := isSeparator(between[0]) && !strings.ContainsAny(between, " \t")
			if !separated || strict || !strings.ContainsAny(text[:found[0]], "?#") {
				return true
			}
		}
		return false
	}
	if !strict || first >= 0 {
		return false
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r < 0x80 && isSeparator(byte(r)) })
	return len(parts) > 1 && !slices.ContainsFunc(parts, func(part string) bool { return classify(part) == noAddress })
}

var secondURL = regexp.MustCompile(`(?i)(?:[,;|]|\s|\x{feff})\s*["'<]*https?://`)
