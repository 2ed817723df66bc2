package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// ask calls the vendor and returns the status of its answer.
func ask(t *testing.T, v *vendor, path string, answer any) int {
	t.Helper()
	response, err := http.Get(v.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestVendorListsInPagesNewestFirst(t *testing.T) {
	v := newVendor()
	defer v.Close()
	var ignored any
	for row := range 250 {
		ask(t, v, fmt.Sprintf("/screenshot/create?url=x&tag=shotline-b-%d-1&tag=shotline-b", row+1), &ignored)
		ask(t, v, "/screenshot/create?url=x&tag=other", &ignored)
	}
	if id := v.shot(2); id != 3 {
		t.Errorf("row 2 is screenshot %d, want 3", id)
	}
	v.finishAll()
	var sizes, ids []int
	for offset := 0; ; {
		var page struct{ Data []shot }
		if status := ask(t, v, fmt.Sprintf("/screenshot/list?tag=shotline-b&limit=100&offset=%d", offset), &page); status != http.StatusOK {
			t.Fatalf("a page was answered %d", status)
		}
		sizes = append(sizes, len(page.Data))
		if len(page.Data) == 0 {
			break
		}
		offset += len(page.Data)
		for _, s := range page.Data {
			ids = append(ids, s.ID)
			if s.Status != "finished" {
				t.Fatalf("screenshot %d is %s", s.ID, s.Status)
			}
		}
	}
	if want := []int{100, 100, 50, 0}; !slices.Equal(sizes, want) {
		t.Errorf("pages of %v, want %v", sizes, want)
	}
	if len(ids) != 250 || ids[0] != 499 || !slices.IsSortedFunc(ids, func(a, b int) int { return b - a }) {
		t.Errorf("%d screenshots from %d on, want 250, newest first", len(ids), ids[0])
	}
	if status := ask(t, v, "/screenshot/list?limit=101", &ignored); status != http.StatusUnprocessableEntity {
		t.Errorf("a page of 101 was answered %d", status)
	}
}

func TestVendorRateLimits(t *testing.T) {
	v := newVendor()
	defer v.Close()
	for name, how := range map[string]behavior{
		"a part":         {refused: 0.05},
		"over its limit": {allowed: 1},
	} {
		v.behave(how)
		refused := 0
		for range 400 {
			var answer struct {
				RetryAfter int `json:"retry_after"`
			}
			switch status := ask(t, v, "/screenshot/create?url=x", &answer); {
			case status == http.StatusTooManyRequests && answer.RetryAfter == retryAfter:
				refused++
			case status != http.StatusOK:
				t.Fatalf("%s: a create was answered %d", name, status)
			}
		}
		got := v.counts()
		if refused == 0 || refused == 400 || got.limited != refused || len(got.shots) != 400-refused || got.creates != 400 {
			t.Errorf("%s: of 400 creates %d were refused; the vendor counted %d, and kept %d of %d", name, refused, got.limited, len(got.shots), got.creates)
		}
	}
}
