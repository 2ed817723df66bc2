package main

import (
	"reflect"
	"testing"

	"shotline/orchestrator/engine"
)

func TestFieldFlags(t *testing.T) {
	for field, flag := range fieldFlags {
		if _, found := reflect.TypeFor[engine.Config]().FieldByName(field); !found {
			t.Errorf("--%s: the engine has no field %s", flag, field)
		}
		if findFlag(workFlags(), flag) == nil {
			t.Errorf("--%s is not a work flag", flag)
		}
	}
}
