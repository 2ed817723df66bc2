package jobs

import "testing"

// TestFoldName checks which names are the same where case is ignored.
func TestFoldName(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"A/Photo.PNG", "a/photo.png"}, {"É.png", "é.png"}, {"ΣΑΣ", "σας"}, {"\u212a", "k"}} {
		if FoldName(pair[0]) != FoldName(pair[1]) {
			t.Errorf("%q and %q differ", pair[0], pair[1])
		}
	}
	if FoldName("a.png") == FoldName("b.png") || FoldName("e.png") == FoldName("é.png") {
		t.Error("different names are the same")
	}
}
