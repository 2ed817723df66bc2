package simulation

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/orchestrator/callback"
)

// reads are the methods of jobs.Store, besides those of jobs.Reader, that change
// nothing. If a new method of the contract is not listed here, it is taken for a
// write.
var reads = []string{"Callbacks", "Close", "CountFiles", "CountOwed", "Cursors", "DailyBudget", "Deliveries", "DownloadOrders", "FilesDue", "FilesOf", "OptionCosts", "StaleImports"}

// oneCallback is a store that can do nothing but claim a callback, which
// callbackPort's stop needs. Any other call panics.
type oneCallback struct{ jobs.Store }

func (oneCallback) ClaimCallbacks(context.Context, time.Time, time.Time, int, int) ([]jobs.Callback, error) {
	return make([]jobs.Callback, 1), nil
}

// TestEveryWriteStops calls each write of a dead process by reflection. A write that
// stops ends its goroutine there, or returns errDied. One that is only promoted from the store, or that
// stops too late, reaches the store.
func TestEveryWriteStops(t *testing.T) {
	dead := &process{name: "dead"}
	dead.dead.Store(true)
	ctx := context.WithValue(t.Context(), activityKey{}, &activity{process: dead, name: "test"})
	callbacks := callbackPort{port{oneCallback{}, &stops{}, &world{}}}
	for _, test := range []struct {
		port  any
		users reflect.Type // the interface through which the port is used
	}{
		{storePort{callbacks}, reflect.TypeFor[jobs.Store]()},
		{callbacks, reflect.TypeFor[callback.Store]()},
	} {
		writes := 0
		for _, name := range writesOf(t, test.users) {
			writes++
			if end := callWrite(reflect.ValueOf(test.port).MethodByName(name), ctx); end != "" {
				t.Errorf("%T.%s does not stop: %s", test.port, name, end)
			}
		}
		if writes < 6 {
			t.Errorf("%T: only %d writes", test.port, writes)
		}
	}
}

// writesOf returns the methods of an interface that are not known to be reads.
func writesOf(t *testing.T, of reflect.Type) (names []string) {
	t.Helper()
	known := map[string]bool{}
	for method := range reflect.TypeFor[jobs.Reader]().Methods() {
		known[method.Name] = true
	}
	for _, name := range reads {
		if _, found := reflect.TypeFor[jobs.Store]().MethodByName(name); !found {
			t.Errorf("jobs.Store has no method %s", name)
		}
		known[name] = true
	}
	for method := range of.Methods() {
		if !known[method.Name] {
			names = append(names, method.Name)
		}
	}
	return names
}

// callWrite calls a method with ctx, slices of one element and zero values. It
// returns "" if the goroutine ended at a stop or the method returned errDied, and
// else how the call ended.
func callWrite(method reflect.Value, ctx context.Context) string {
	args := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < method.Type().NumIn(); i++ {
		arg := reflect.New(method.Type().In(i)).Elem()
		if arg.Kind() == reflect.Slice {
			arg = reflect.MakeSlice(arg.Type(), 1, 1)
		}
		args = append(args, arg)
	}
	call := method.Call
	if method.Type().IsVariadic() {
		call = method.CallSlice
	}
	ended := make(chan string)
	go func() {
		end := ""
		defer func() {
			if reached := recover(); reached != nil { // nil at a stop, which calls runtime.Goexit
				end = fmt.Sprint("it reaches the store: ", reached)
			}
			ended <- end
		}()
		results := call(args)
		if results[len(results)-1].Interface() != errDied {
			end = "it returns"
		}
	}()
	return <-ended
}
