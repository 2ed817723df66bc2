package api

import "testing"

func TestLongFramesAreNotCached(t *testing.T) {
	var kept frameCache
	for _, size := range []int{maxCachedFrame, maxCachedFrame + 1} {
		made := 0
		for range 3 {
			data, err := kept.get(int64(size), func() ([]byte, error) { made++; return make([]byte, size), nil })
			if err != nil || len(data) != size {
				t.Fatalf("%d bytes, %v", len(data), err)
			}
		}
		if isKept := made == 1; isKept != (size <= maxCachedFrame) {
			t.Errorf("a frame of %d bytes was encoded %d times", size, made)
		}
	}
}
