// Package fault is how the domain packages say what went wrong.
//
// There are six kinds; the ways in (edge) turn a kind into an HTTP status and an
// M_ code in one place. A fault is written for the person who sent the request:
// it says what to do and nothing that this person may not know. Any other error
// that leaves a domain package is a defect or a broken machine, and is answered
// with a 500 that tells no detail.
//
//	return fault.New(fault.Forbidden, "you are not in this room")
//	return fault.New(fault.Invalid, "room_alias_name: %v", err).Coded(wire.InvalidParam)
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a fault.
type Kind uint8

const (
	// Invalid: the request can never be right as it stands (400).
	Invalid Kind = iota + 1
	// Forbidden: the caller may not do this (403).
	Forbidden
	// NotFound: it does not exist, or the caller may not know that it does (404).
	NotFound
	// Conflict: it would be right if something else were not so (409 or 400).
	Conflict
	// Limited: too much or too often (429 or 413).
	Limited
	// Unavailable: this server cannot do it now; the same request may work later (503).
	Unavailable
)

// String names the kind for logs.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Limited:
		return "limited"
	case Unavailable:
		return "unavailable"
	}
	return "unknown kind"
}

// Error is a fault with its kind.
type Error struct {
	// Kind is the class, which decides the status.
	Kind Kind
	// Code is the M_ code, when it is another than the kind's usual one.
	Code string
	// Message is for the person or program that sent the request.
	Message string
	// RetryAfter is how long to wait before the next try, if Kind is Limited.
	RetryAfter time.Duration
	// Fields are further members of the error response, such as room_version.
	Fields map[string]any
	// Cause is kept for logs and errors.Is, and never shown.
	Cause error
}

// New makes a fault. A %w in the format keeps the cause.
func New(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Coded sets the M_ code and returns the same fault.
func (e *Error) Coded(code string) *Error {
	e.Code = code
	return e
}

// With adds a member to the error response and returns the same fault.
func (e *Error) With(name string, value any) *Error {
	if e.Fields == nil {
		e.Fields = map[string]any{}
	}
	e.Fields[name] = value
	return e
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf is the kind of the first fault in err's chain, or 0 if there is none.
func KindOf(err error) Kind {
	var f *Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return 0
}

// Is reports whether err is a fault of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
