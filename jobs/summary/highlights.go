package summary

import (
	"math"

	"shotline/jobs"
	"shotline/jobs/number"
)

// figures returns the numbers to emphasize. It always includes done and failed,
// and other states if they have rows.
func figures(s Summary) []figure {
	var list []figure
	for _, state := range jobs.States {
		n := s.Of(state)
		if n > 0 || state == jobs.Done || state == jobs.Failed {
			f := figure{Name: label(state), Value: number.Grouped(n)}
			if n > 0 {
				f.Class = string(state)
			}
			list = append(list, f)
		}
	}
	// Move done to the front, even if jobs are still open.
	for i, f := range list {
		if f.Name == string(jobs.Done) {
			copy(list[1:i+1], list[:i])
			list[0] = f
		}
	}
	if s.Cost != nil {
		whole, fraction := math.Modf(*s.Cost)
		value := groupedCredits(*s.Cost)
		if fraction == 0 && math.Abs(whole) < 1e15 {
			value = number.Grouped(int64(whole))
		}
		list = append(list, figure{Name: "credits", Value: value})
	}
	if s.DurationSeconds > 0 {
		list = append(list, figure{Name: "total time", Value: span(s.DurationSeconds)})
	}
	if s.Timings != nil {
		list = append(list, figure{Name: "median", Value: span(s.Timings.P50)}, figure{Name: "95 % within", Value: span(s.Timings.P95)})
	}
	if s.Late > 0 {
		list = append(list, figure{Name: "late", Value: number.Grouped(s.Late)})
	}
	if s.Corrected > 0 {
		list = append(list, figure{Name: "corrected", Value: number.Grouped(s.Corrected)})
	}
	if s.DoubleCharged > 0 {
		list = append(list, figure{Name: "paid twice", Value: number.Grouped(s.DoubleCharged), Class: string(jobs.Failed)})
	}
	return list
}
