package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// vendor answers every create at once, and renders nothing.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	made  int
	shots map[int]int // screenshot ids by the row of the job
}

func newVendor() *vendor {
	v := &vendor{shots: map[int]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /screenshot/create", func(w http.ResponseWriter, r *http.Request) {
		tags := r.URL.Query()["tag"]
		id := v.make(tags)
		answer(w, map[string]any{"id": id, "status": "processing", "url": r.URL.Query().Get("url"), "tag": tags})
	})
	mux.HandleFunc("GET /screenshot/list", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	v.Server = httptest.NewServer(mux)
	return v
}

func answer(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "data": data}) // whoever left does not need it
}

// make gives an id to the row that a tag shotline-BATCH-ROW-ATTEMPT names.
func (v *vendor) make(tags []string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.made++
	for _, tag := range tags {
		if parts := strings.Split(tag, "-"); len(parts) == 4 {
			if row, err := strconv.Atoi(parts[2]); err == nil {
				v.shots[row] = v.made
			}
		}
	}
	return v.made
}

func (v *vendor) shot(row int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shots[row]
}
