package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

// sheetWidth is the width of pictures on a contact sheet: twice that of a
// card, for sharp screens.
const sheetWidth = 720

// writeSheetFile writes a contact sheet whose pictures lie in a folder beside
// it, NAME_pictures, fetched from the vendor. A picture that cannot be fetched
// is missing on the sheet, and told on it.
func writeSheetFile(ctx context.Context, path string, store jobs.Store, vendor *client.Client, batch string) error {
	s, err := loadSummary(ctx, store, batch)
	if err != nil {
		return err
	}
	folder := strings.TrimSuffix(path, filepath.Ext(path)) + "_pictures"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	fetched := func(j jobs.Job) (string, error) {
		name := strconv.FormatInt(j.ID.Row, 10) + ".png"
		if err := fetchPicture(ctx, vendor, j.ScreenshotID, filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("screenshot %s: %w", j.ScreenshotID, err)
		}
		return filepath.ToSlash(filepath.Join(filepath.Base(folder), name)), nil
	}
	return writeFile(path, func(w io.Writer) error {
		return summary.WriteHTML(w, s, summary.Sheet{Next: summary.Cards(ctx, store, batch, fetched)})
	})
}

func fetchPicture(ctx context.Context, vendor *client.Client, screenshot, path string) error {
	download, err := vendor.Thumbnail(ctx, screenshot, client.ThumbnailOptions{Format: "png", Width: sheetWidth})
	if err != nil {
		return err
	}
	defer download.Body.Close()
	return writeFile(path, func(w io.Writer) error {
		_, err := io.Copy(w, download.Body)
		return err
	})
}
