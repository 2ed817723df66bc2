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

func (s storePort) WantFiles(ctx context.Context, at time.Time, limit int) (int, bool, error) {
	defer s.write(ctx, "want files")()
	return s.Store.WantFiles(ctx, at, limit)
}

func (s storePort) ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.FileWork, error) {
	defer s.write(ctx, "claim files")()
	return s.Store.ClaimFiles(ctx, at, again, limit, batches...)
}

func (s storePort) NameFile(ctx context.Context, f jobs.File) error {
	defer s.write(ctx, "name a file of %s", f.Job)()
	return s.Store.NameFile(ctx, f)
}

func (s storePort) SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	defer s.write(ctx, "settle %d files", len(files))()
	return s.Store.SettleFiles(ctx, files, at)
}
