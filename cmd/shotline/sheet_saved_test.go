package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// TestSheetNamesSavedImages checks that summary names the folder of saved images
// that the sheet does not show.
func TestSheetNamesSavedImages(t *testing.T) {
	t.Parallel()
	database, folder := sheetDatabase(t, 8), t.TempDir()
	store, err := sqlite.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	save := func(dir, name, screenshot string, row int64) {
		t.Helper()
		f := jobs.File{
			Job: jobs.ID{Batch: "sheet", Row: row}, Output: jobs.OutputImage, Shot: 1, Attempt: 1, Screenshot: screenshot,
			Folder: filepath.Join(folder, dir), Name: name, State: jobs.FileSaved, Size: int64(len(pixel)), Type: "image/png",
		}
		path := filepath.Join(f.Folder, name)
		err := errors.Join(os.MkdirAll(f.Folder, 0o700), os.WriteFile(path, pixel, 0o600), store.RecordFiles(t.Context(), []jobs.File{f}, clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
	}
	saved, sheet := filepath.Join(folder, "saved"), filepath.Join(folder, "sheet.html")
	hint := func(want string, args ...string) {
		t.Helper()
		code, _, stderr := invoke(t, append([]string{"summary", "sheet", "--db", database, "--format", "html"}, args...)...)
		if code != exitOK || stderr != want {
			t.Errorf("%v: exit code %d, stderr %q, want %q", args, code, stderr, want)
		}
	}
	hint("", "--out", sheet)
	save("other", "8.png", "98", 8)
	hint("1 image is saved in "+filepath.Join(folder, "other")+": --pictures-from "+filepath.Join(folder, "other")+" shows it\n", "--out", sheet)
	save("saved", "1.png", "91", 1)
	save("saved", "2.png", "92", 2)
	save("saved", "3.png", "93", 3)
	if err := errors.Join(os.Remove(filepath.Join(saved, "3.png")), store.Close()); err != nil {
		t.Fatal(err)
	}
	hint("2 images are saved in "+saved+": --pictures-from "+saved+" shows them\n", "--out", sheet)
	hint("2 images are saved in " + saved + ": --out FILE --pictures-from " + saved + " shows them\n")
	entries := `{"job":"sheet-1","row":1,"output":"image","shot":1,"file":"1.png","type":"image/png","screenshot":"91","state":"saved"}` + "\n" +
		`{"job":"sheet-2","row":2,"output":"image","shot":1,"file":"2.png","type":"image/png","screenshot":"92","state":"saved"}` + "\n"
	if err := os.WriteFile(filepath.Join(saved, "manifest.jsonl"), []byte(entries), 0o600); err != nil {
		t.Fatal(err)
	}
	hint("", "--out", sheet, "--pictures-from", saved)
	hint("1 image is saved in "+filepath.Join(folder, "other")+": --pictures-from "+filepath.Join(folder, "other")+" shows it\n", "--out", filepath.Join(saved, "sheet.html"))
}
