package main

import (
	"reflect"
	"testing"

	"shotline/orchestrator/engine"
)

func TestFieldFlagsAreOfFields(t *testing.T) {
	for field, flag := range fieldFlags {
		if _, found := reflect.TypeFor[engine.Config]().FieldByName(field); !found {
			t.Errorf("--%s is said to be the field %s, which the engine does not have", flag, field)
		}
		if findFlag(workFlags(), flag) == nil {
			t.Errorf("--%s is no flag of those who work", flag)
		}
	}
}
