package simulation

import (
	"context"
	"time"

	"shotline/jobs"
)

func (s storePort) OrderDownload(ctx context.Context, order jobs.DownloadOrder, at time.Time) error {
	defer s.write(ctx, "order download of %s", order.Batch)()
	return s.Store.OrderDownload(ctx, order, at)
}

// step stops before a write of files and after it. It returns an error if the
// process has died.
func (s storePort) step(ctx context.Context, do func() error, format string, args ...any) error {
	if err := s.stops.wait(ctx, "store: "+format, args...); err != nil {
		return err
	}
	err := do()
	if died := s.stops.wait(ctx, "kept: "+format, args...); died != nil {
		return died
	}
	return err
}

func (s storePort) WantFiles(ctx context.Context, at time.Time, limit int) (wanted int, more bool, err error) {
	err = s.step(ctx, func() (err error) { wanted, more, err = s.Store.WantFiles(ctx, at, limit); return err }, "want files")
	return wanted, more, err
}

// ClaimFiles also counts the claims of each file.
func (s storePort) ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) (works []jobs.FileWork, err error) {
	err = s.step(ctx, func() (err error) {
		works, err = s.Store.ClaimFiles(ctx, at, again, limit, batches...)
		s.w.vendor.noteClaims(works)
		return err
	}, "claim files")
	return works, err
}

func (s storePort) NameFile(ctx context.Context, f jobs.File) error {
	return s.step(ctx, func() error { return s.Store.NameFile(ctx, f) }, "name %s %d of %s", f.Output, f.Shot, f.Job)
}

func (s storePort) RecordFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	defer s.write(ctx, "record %d files", len(files))()
	return s.Store.RecordFiles(ctx, files, at)
}

func (s storePort) SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	return s.step(ctx, func() error { return s.Store.SettleFiles(ctx, files, at) }, "settle %d files", len(files))
}
