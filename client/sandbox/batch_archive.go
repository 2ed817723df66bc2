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

	"shotline/client/pageurl"
)

// downloadBatch handles GET /batch/download. The response is a ZIP archive with
// the images of the batch and a manifest.csv that lists every row.
func (s *Server) downloadBatch(r *http.Request, q url.Values) (any, error) {
	b, err := s.lookUpBatch(q.Get("id"))
	if err != nil {
		return nil, err
	}
	if s.batchObject(b).Status == statusProcessing {
		return nil, errBatchProcessing
	}
	return archive{s, r.Context(), b}, nil
}

// archivePath returns the path of a batch's archive, below the base URL. A
// request for it needs the key.
func archivePath(id int64) string {
	return "/api/v1/batch/download?id=" + strconv.FormatInt(id, 10)
}

// archive is the ZIP archive of a batch. It is created while it is sent.
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
		panic(http.ErrAbortHandler) // abort the download, so that the client does not take a truncated archive for a complete one
	}
}

// zip writes the archive. The images come first, so that the manifest can list
// the files that exist.
func (a archive) zip(w io.Writer) error {
	archive := zip.NewWriter(w)
	manifest := [][]string{{"row", "url", "screenshot_id", "status", "error", "files"}}
	for i, row := range a.server.batches.rowsOf(a.batch) {
		files, err := a.images(archive, i, row)
		if err != nil {
			return err
		}
		line := []string{strconv.Itoa(i + 1), escapeFormula(row.url), "", row.manifestStatus(), escapeFormula(row.err), strings.Join(files, " ")}
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

// images adds the images of a row that are still stored and returns their
// names.
func (a archive) images(archive *zip.Writer, i int, row batchRow) ([]string, error) {
	shot, found := a.server.store.find(row.shot)
	if !found {
		return nil, nil
	}
	var names []string
	for n, known := range shot.result.images {
		pic, err := a.server.renderedImage(a.ctx, shot, n)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%05d-%s", i+1, safeHost(shot.render.URL))
		if n > 0 {
			name += "-" + strconv.Itoa(n+1)
		}
		name += "." + known.Format
		// Images are already compressed.
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

// escapeFormula puts an apostrophe in front of a cell that a spreadsheet would
// take for a formula.
func escapeFormula(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// safeHost returns the host of a URL in a form that is valid in file names on all
// systems.
func safeHost(address string) string {
	u, err := pageurl.Parse(address)
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

// rowsOf returns a copy of the rows of a batch.
func (b *batches) rowsOf(target *batch) []batchRow {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(target.rows)
}

// manifestStatus returns the status of a row in the manifest.
func (r batchRow) manifestStatus() string {
	if !r.done {
		return "not done"
	}
	return r.status()
}
