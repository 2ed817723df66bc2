package main

import (
	"embed"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"
)

// initFiles are the templates of init, one for each file.
//
//go:embed initfiles
var initFiles embed.FS

// initKinds are the arguments of init.
var initKinds = []string{"systemd", "cron", "nginx", "caddy", "prometheus", "grafana"}

// units are the templates and files of systemd, in the order in which they are
// printed.
var units = []string{"shotline.service", "shotline-reconcile.service", "shotline-reconcile.timer", "shotline-backup.service", "shotline-backup.timer"}

// stateFolder is the folder of the service's data.
const stateFolder = "/var/lib/shotline"

// initData is what the templates use.
type initData struct {
	Program, Database, Backup, User string
	Serve, Reconcile                []string // settings of the commands, as flags
	Writable                        []string // folders outside the state folder
	LowPort                         bool     // --listen needs a capability
	Listen, APIListen, WebhookPath  string
	Host, Address                   string // of --public-url; with its scheme and port
	WithAPI                         bool
	MaxBatch                        int // MiB
}

func initDataFrom(c *cli.Context) (d initData, err error) {
	d = initData{
		Program: c.String(programFlag.Name), Database: c.String(dbFlag.Name), Backup: c.String(backupFlag.Name), User: c.String(userFlag.Name),
		Listen: listenAddress(c), APIListen: c.String(apiListenFlag.Name), WithAPI: c.Bool(withAPIFlag.Name), MaxBatch: c.Int(apiMaxBatchFlag.Name),
	}
	if d.Program == "" {
		if d.Program, err = os.Executable(); err != nil {
			return d, fmt.Errorf("find this program, name it with --program: %w", err)
		}
	}
	if !c.IsSet(dbFlag.Name) || d.Database == "" {
		d.Database = stateFolder + "/shotline.db"
	}
	for flag, path := range map[string]string{programFlag.Name: d.Program, dbFlag.Name: d.Database, backupFlag.Name: d.Backup} {
		if !filepath.IsAbs(path) {
			return d, badUsage("--%s %s: want a path from the root, because a service starts in another folder", flag, printable(path))
		}
	}
	if d.WebhookPath, err = webhookPath(c); err != nil {
		return d, err
	}
	if d.Listen, err = localAddress(listenFlag.Name, d.Listen); err != nil {
		return d, err
	}
	_, port, _ := net.SplitHostPort(d.Listen)
	number, _ := strconv.Atoi(port)
	d.LowPort = number > 0 && number < 1024
	if d.WithAPI || d.APIListen != "" {
		if d.APIListen, err = localAddress(apiListenFlag.Name, d.APIListen); err != nil {
			return d, err
		}
	}
	public, err := url.Parse(c.String(publicURLFlag.Name))
	if err != nil || public.Scheme != "https" || public.Hostname() == "" || public.Path != "" && public.Path != "/" || public.User != nil {
		return d, badUsage("--%s: want https://HOST", publicURLFlag.Name)
	}
	d.Host, d.Address = public.Hostname(), public.Scheme+"://"+public.Host
	d.Serve, d.Reconcile = d.flagsOf(c, "serve"), d.flagsOf(c, "reconcile")
	for _, name := range []string{dbFlag.Name, downloadFlag.Name, imageDirFlag.Name} {
		folder := c.String(name)
		if name == dbFlag.Name {
			folder = filepath.Dir(d.Database)
		}
		if filepath.IsAbs(folder) && folder != stateFolder && !strings.HasPrefix(folder, stateFolder+"/") && !slices.Contains(d.Writable, folder) {
			d.Writable = append(d.Writable, folder)
		}
	}
	for _, value := range append([]string{d.Program, d.Database, d.Backup, d.User, d.Host, d.WebhookPath, d.Listen, d.APIListen}, d.Serve...) {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return d, badUsage("init: a value has a line break or another control character")
		}
	}
	return d, nil
}

// localAddress returns the address by which a proxy on this machine reaches a
// listener.
func localAddress(flag, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", badUsage("--%s %q: want HOST:PORT, such as 127.0.0.1:8080", flag, address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// flagsOf returns the given settings that a command has, as flags. The first is
// the database.
func (d initData) flagsOf(c *cli.Context, command string) []string {
	flags := []string{"--" + dbFlag.Name + "=" + d.Database}
	for _, flag := range c.App.Command(command).Flags {
		name := flag.Names()[0]
		if name == dbFlag.Name || findFlag(settingFlags(), name) == nil {
			continue
		}
		if values, given := settingValues(c, flag); given {
			for _, value := range values {
				flags = append(flags, "--"+name+"="+value)
			}
		}
	}
	return flags
}

// write writes the files of a kind.
func (d initData) write(w io.Writer, kind string) error {
	if kind != "systemd" {
		return d.execute(w, kind)
	}
	for i, unit := range units {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "# ---- /etc/systemd/system/%s ----\n", unit)
		if err := d.execute(w, unit); err != nil {
			return err
		}
	}
	return nil
}

// execute writes the file of a template. Templates have [[ and ]], because rules
// and dashboards have braces of their own.
func (d initData) execute(w io.Writer, name string) error {
	files := template.New(name).Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{
		"unit": unitWord, "cron": cronWord, "quote": strconv.Quote, "escaped": func(path string) string { return (&url.URL{Path: path}).EscapedPath() },
	})
	files, err := files.ParseFS(initFiles, "initfiles/"+name)
	if err != nil {
		return err
	}
	return files.Execute(w, d)
}

// unitWord writes a word of a command line for systemd.
func unitWord(text string) string {
	text = strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`).Replace(text)
	if strings.ContainsAny(text, " ;'\"\\") {
		return `"` + text + `"`
	}
	return text
}

// cronWord writes a word of a shell's command line for a crontab, in which % has a
// meaning of its own.
func cronWord(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=/.:,+@") != "" {
		text = "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return strings.ReplaceAll(text, "%", `\%`)
}
