package main

import (
	"errors"
	"io"
	"testing"

	"shotline/jobs"
)

func TestDemoRowsHaveExpectedStates(t *testing.T) {
	in, err := demoInput(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	expected := map[string]int{}
	for {
		row, err := in.rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || row.Reject != "" {
			t.Fatal(err, row.Reject)
		}
		text, _ := row.Metadata[demoExpectColumn].(string)
		expected[text]++
	}
	if expected[string(jobs.Done)] < 5 || expected[string(jobs.Failed)] != 1 || len(expected) != 3 {
		t.Errorf("the rows expect %v, want most of them done, one failed and one duplicate", expected)
	}
}
