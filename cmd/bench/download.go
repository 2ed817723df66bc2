package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

const (
	downloadRows     = 20_000
	fewDownloadRows  = 2000
	downloadParallel = "16"
)

// smallImage is an image of about 10 KB, such as a thumbnail.
var smallImage = sync.OnceValue(func() []byte {
	img := image.NewGray(image.Rect(0, 0, 160, 120))
	random := rand.New(rand.NewPCG(1, 1))
	for i := range img.Pix {
		img.Pix[i] = uint8(random.IntN(16))
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		panic(err)
	}
	return file.Bytes()
})

// thumbnail returns the same image for every screenshot.
func thumbnail(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Content-Length", strconv.Itoa(len(smallImage())))
	_, _ = w.Write(smallImage()) // an error means that the client has disconnected
}

// downloaded is the output of download --json.
type downloaded struct {
	Saved, Skipped int
	Bytes          int64
	Seconds        float64
}

// measureDownload measures how many small images the command saves per second, how
// its memory grows with their number, and how long it takes if all are saved.
func measureDownload(ctx context.Context, b *bench) ([]figure, error) {
	vendor := newVendor()
	defer vendor.Close()
	few, _, err := b.download(ctx, vendor, fewDownloadRows)
	if err != nil {
		return nil, err
	}
	many, again, err := b.download(ctx, vendor, downloadRows)
	if err != nil {
		return nil, err
	}
	label := fmt.Sprintf("%d images of %.0f KB", many.Saved, float64(many.Bytes)/float64(many.Saved)/1000)
	return []figure{
		{What: label + ", 16 at once", Value: float64(many.Saved) / many.Seconds, Unit: "images/s", Target: atLeast(1000),
			From: fmt.Sprintf("%.1f s; each file is synced", many.Seconds)},
		{What: "memory of that download", Value: many.peak / few.peak, Unit: fmt.Sprintf("× that of %d images", few.Saved), Target: atMost(1.3),
			From: fmt.Sprintf("%.0f MB against %.0f MB", many.peak, few.peak)},
		{What: "the same command, all images saved before", Value: float64(again.Skipped) / again.Seconds, Unit: "images/s",
			From: fmt.Sprintf("%.1f s", again.Seconds)},
	}, nil
}

// downloadResult is one run of the command.
type downloadResult struct {
	downloaded
	commandRun
}

// download downloads the images of a seeded batch, and then runs the same command
// again.
func (b *bench) download(ctx context.Context, v *vendor, rows int) (first, again downloadResult, err error) {
	database, err := b.seed(ctx, fmt.Sprintf("download-%d", rows), rows, 0)
	if err != nil {
		return first, again, err
	}
	defer removeDatabase(database)
	folder := filepath.Join(b.folder, fmt.Sprintf("images-%d", rows))
	defer func() { _ = os.RemoveAll(folder) }() // the folder of the run is removed anyway
	want := rows - rows/seedFailures
	run := func() (r downloadResult, err error) {
		r.commandRun, err = command(ctx, b.program, "download", seeded, "--db", database, "--dir", folder, "--name", "{sku}.{ext}",
			"--parallel", downloadParallel, "--json", "--api-key", "bench", "--base-url", v.URL)
		if err == nil {
			err = json.Unmarshal(r.out, &r.downloaded)
		}
		return r, err
	}
	if first, err = run(); err != nil {
		return first, again, err
	}
	if again, err = run(); err != nil {
		return first, again, err
	}
	if first.Saved != want || again.Skipped != want || again.Saved != 0 {
		return first, again, fmt.Errorf("%d images were saved and then %d skipped, want %d", first.Saved, again.Skipped, want)
	}
	return first, again, nil
}
