package sandbox

import (
	"archive/zip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// downloadBatch answers GET /batch/download with a ZIP archive of the batch's
// pictures and a manifest.csv that tells of every row.
func (s *Server) downloadBatch(r *http.Request, q url.Values) (any, error) {
	b, err := s.lookUpBatch(q.Get("id"))
	if err != nil {
		return nil, err
	}
	if s.batchObject(b).Status == statusProcessing {
		return nil, errAtWork
	}
	return archive{s, r.Context(), b}, nil
}

// archivePath is the address of a batch's archive, below the base URL. It needs
// the key.
func archivePath(id int64) string {
	return "/api/v1/batch/download?id=" + strconv.FormatInt(id, 10)
}

// archive is a batch's ZIP archive, made while it is sent.
type archive struct {
	server *Server
	ctx    context.Context
	batch  *batch
}

func (a archive) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", `attachment; filename="batch-`+strconv.FormatInt(a.batch.id, 10)+`.zip"`)
	if err := a.zip(w); err != nil {
		if a.ctx.Err() == nil {
			a.server.cfg.Logger.Error("sandbox archive not sent", "batch", a.batch.id, "error", err)
		}
		panic(http.ErrAbortHandler) // a cut download, not a short archive
	}
}

// zip writes the pictures first, so that the manifest can tell which there are.
func (a archive) zip(w io.Writer) error {
	archive := zip.NewWriter(w)
	manifest := [][]string{{"row", "url", "screenshot_id", "status", "error", "files"}}
	for i, row := range a.server.batches.rowsOf(a.batch) {
		files, err := a.pictures(archive, i, row)
		if err != nil {
			return err
		}
		line := []string{strconv.Itoa(i + 1), noFormula(row.url), "", row.manifestStatus(), noFormula(row.err), strings.Join(files, " ")}
		if row.done && row.shot != 0 {
			line[2] = strconv.FormatInt(row.shot, 10)
		}
		manifest = append(manifest, line)
	}
	file, err := archive.Create("manifest.csv")
	if err != nil {
		return err
	}
	if err := csv.NewWriter(file).WriteAll(manifest); err != nil {
		return err
	}
	return archive.Close()
}

// pictures adds what is still kept of a row's pictures and returns their names.
func (a archive) pictures(archive *zip.Writer, i int, row batchRow) ([]string, error) {
	shot, found := a.server.books.find(row.shot)
	if !found {
		return nil, nil
	}
	var names []string
	for n, known := range shot.result.pictures {
		pic, err := a.server.picture(a.ctx, shot, n)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%05d-%s", i+1, fileSafe(shot.render.URL))
		if n > 0 {
			name += "-" + strconv.Itoa(n+1)
		}
		name += "." + known.Format
		// Pictures are compressed already.
		file, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: shot.finishedAt})
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(pic.Data); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// noFormula puts an apostrophe in front of what a spreadsheet would calculate.
func noFormula(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// fileSafe is the host of an address, fit for a file's name anywhere.
func fileSafe(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "page"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, u.Hostname())
}

// rowsOf copies the rows of a batch.
func (b *batches) rowsOf(of *batch) []batchRow {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(of.rows)
}

// manifestStatus is a row's word in the manifest.
func (r batchRow) manifestStatus() string {
	if !r.done {
		return "not done"
	}
	return r.status()
}
