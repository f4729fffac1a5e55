package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/hanse-im/hanse/server/fault"
)

func TestKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("load room: %w", fault.New(fault.NotFound, "no such room: %w", io.EOF).Coded("M_NOT_FOUND").With("room", 1))
	if !fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) {
		t.Errorf("kind of %v is %v", err, fault.KindOf(err))
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("%v lost its cause", err)
	}
	if fault.KindOf(io.EOF) != 0 || fault.Is(nil, 0) {
		t.Error("a plain error, or none, is no fault")
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != "M_NOT_FOUND" || f.Fields["room"] != 1 {
		t.Errorf("fault of %v is %+v", err, f)
	}
}
