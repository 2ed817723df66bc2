package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"shotline/jobs"
)

func TestOpenerAppliesOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for _, test := range []struct {
		options jobs.OpenOptions
		more    []Option
		cache   string // PRAGMA cache_size of the writer
		check   bool
	}{
		{jobs.OpenOptions{}, nil, "-65536", false},
		{jobs.OpenOptions{Purpose: jobs.ForImport}, nil, "-4096", false},
		{jobs.OpenOptions{Purpose: jobs.ForWork}, nil, "-65536", true},
		{jobs.OpenOptions{Purpose: jobs.ForWork, CacheBytes: 2 << 20}, nil, "-2048", true},
		{jobs.OpenOptions{Purpose: jobs.ForWork, CacheBytes: 2 << 20}, []Option{WithCache(1 << 10)}, "-1024", true},
	} {
		opened, err := Opener(path, test.more...)(t.Context(), test.options)
		must(t, err)
		s := opened.(*Store)
		var cache string
		must(t, s.write(t.Context(), func(tx *tx) error { return tx.get([]any{&cache}, "PRAGMA cache_size") }))
		must(t, s.Close())
		if cache != test.cache {
			t.Errorf("%+v: cache_size is %s, want %s", test.options, cache, test.cache)
		}
		var set settings
		for _, option := range optionsOf(test.options) {
			option(&set)
		}
		if set.check != test.check {
			t.Errorf("%+v: check is %t, want %t", test.options, set.check, test.check)
		}
	}
}

func TestOpenerReturnsNoStoreWithAnError(t *testing.T) {
	store, err := Opener(filepath.Join(t.TempDir(), "nowhere", "a.db"))(t.Context(), jobs.OpenOptions{})
	if store != nil || !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("got %v and %v, want no store and jobs.ErrUnavailable", store, err)
	}
}
