package artifact

import (
	"strings"
	"testing"
)

// TestManifestNamesAreReserved checks that no file or folder has the name of a file
// of the manifest, in any case.
func TestManifestNamesAreReserved(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][2]string{
		"manifest.jsonl":         {"_manifest.jsonl/x.csv", "manifest.jsonl.csv"},
		"Manifest.CSV":           {"_Manifest.CSV/x.csv", "_Manifest.CSV"},
		"manife\u017ft.c\u017fv": {"_manife\u017ft.c\u017fv/x.csv", "manife\u017ft.c\u017fv.csv"},
		"manifest":               {"manifest/x.csv", "_manifest.csv"},
		"a":                      {"a/x.csv", "a.csv"},
	} {
		v := shown()
		v.Job.Cells[1], v.Extension = value, "csv"
		for i, text := range []string{"{SKU}/x", "{SKU}"} {
			template, err := ParseTemplate(text, v.Columns)
			if err != nil {
				t.Fatal(err)
			}
			got := template.Name(v)
			if got != want[i] {
				t.Errorf("%s of %q: got %q, want %q", text, value, got, want[i])
			}
			checkName(t, got)
		}
	}
}

// TestAddSuffix checks names that are taken.
func TestAddSuffix(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.png":                           "a-2.png",
		"x.y/a.b.png":                     "x.y/a.b-2.png",
		"_.png":                           "_-2.png",
		strings.Repeat("é", 125) + ".png": strings.Repeat("é", 124) + "-2.png",
	} {
		got := AddSuffix(name, "-2")
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		checkName(t, got)
	}
}
