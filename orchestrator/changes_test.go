package orchestrator

import (
	"reflect"
	"testing"

	"shotline/jobs"
)

func TestReconciledAddsEveryField(t *testing.T) {
	t.Parallel()
	step := Reconciled{Closed: map[jobs.State]int{jobs.Done: 2}, Removed: []string{"a"}, Repaired: []Repaired{{Batch: "b"}}, Busy: []string{"c"}}
	fields := reflect.ValueOf(&step).Elem()
	for i := range fields.NumField() {
		if f := fields.Field(i); f.CanInt() {
			f.SetInt(int64(i + 1))
		}
	}
	total := Reconciled{Closed: map[jobs.State]int{}}
	total.add(step)
	if !reflect.DeepEqual(total, step) {
		t.Errorf("nothing plus a step is %+v, want %+v", total, step)
	}
	total.add(step)
	twice := reflect.ValueOf(total)
	for i := range twice.NumField() {
		name := twice.Type().Field(i).Name
		switch f := twice.Field(i); {
		case f.CanInt() && f.Int() != int64(2*(i+1)):
			t.Errorf("two steps have %s %d, want %d", name, f.Int(), 2*(i+1))
		case f.Kind() == reflect.Slice && f.Len() != 2:
			t.Errorf("two steps have %d %s, want 2", f.Len(), name)
		}
	}
	if total.Closed[jobs.Done] != 4 {
		t.Errorf("two steps closed %d jobs, want 4", total.Closed[jobs.Done])
	}
}

func TestChangesAddUp(t *testing.T) {
	t.Parallel()
	c := changesOf(jobs.Effects{Adopted: 1, DoubleCharged: []jobs.ID{{}, {}}, Closed: []jobs.Closed{
		{State: jobs.Done}, {State: jobs.Failed}, {State: jobs.Done, Late: true}, {State: jobs.Failed, Corrected: true},
	}})
	want := changes{closed: map[jobs.State]int{jobs.Done: 1, jobs.Failed: 1}, late: 1, corrected: 1, flawed: 2, adopted: 1, double: 2}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("changes are %+v, want %+v", c, want)
	}
	sum := c.plus(changes{resent: 3}).plus(c)
	want = changes{closed: map[jobs.State]int{jobs.Done: 2, jobs.Failed: 2}, late: 2, corrected: 2, flawed: 4, adopted: 2, double: 4, resent: 3}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("the sum is %+v, want %+v", sum, want)
	}
	if c.closed[jobs.Done] != 1 {
		t.Error("plus changed its operand")
	}
}
