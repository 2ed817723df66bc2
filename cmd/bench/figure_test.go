package main

import (
	"strings"
	"testing"
)

func TestReportShowsMissedTargets(t *testing.T) {
	r := report{Figures: []figure{
		{Of: "a", What: "fast", Value: 0.5, Unit: "× bare", Target: atLeast(0.5)},
		{Of: "a", What: "slow", Value: 0.4994, Unit: "× bare", Target: atLeast(0.5), From: "1 against 2"},
		{Of: "b", What: "small", Value: 20, Unit: "ms", Target: atMost(20)},
		{Of: "b", What: "large", Value: 1234.5, Unit: "ms", Target: atMost(20)},
		{Of: "b", What: "free", Value: 12.34, Unit: "ms"},
	}}
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| a | fast | 0.5 × bare | ≥ 0.5 | yes |  |",
		"| a | slow | 0.499 × bare | ≥ 0.5 | **no** | 1 against 2 |",
		"| b | small | 20 ms | ≤ 20 | yes |  |",
		"| b | large | 1234 ms | ≤ 20 | **no** |  |",
		"| b | free | 12.3 ms |  |  |  |",
		"5 figures, 2 targets missed",
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}
