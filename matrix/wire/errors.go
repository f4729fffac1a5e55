// Package wire has the shapes of requests and responses that client and server
// share, and the error codes.
//
// Fields are named after the specification's. What may be missing is a pointer, or
// left out when zero; parts that only others understand stay JSON text. The structs
// are data: they hold no behaviour but checks, and nothing here does I/O. They are
// decoded with canonjson.Unmarshal, which is strict, and encoded with
// canonjson.Marshal.
//
//	var q wire.LoginRequest
//	if err := canonjson.Unmarshal(body, &q); err != nil { … }
//
// Spec: client-server-api#api-standards
package wire

import (
	"fmt"
	"net/url"
)

// Code is an error code. Codes of the specification start with M_.
//
// Spec: client-server-api#standard-error-response
type Code string

// Codes that any endpoint may give.
//
// Spec: client-server-api#common-error-codes
const (
	BadJSON               Code = "M_BAD_JSON"
	Forbidden             Code = "M_FORBIDDEN"
	LimitExceeded         Code = "M_LIMIT_EXCEEDED"
	MissingToken          Code = "M_MISSING_TOKEN"
	NotFound              Code = "M_NOT_FOUND"
	NotJSON               Code = "M_NOT_JSON"
	ResourceLimitExceeded Code = "M_RESOURCE_LIMIT_EXCEEDED"
	Unknown               Code = "M_UNKNOWN"
	UnknownDevice         Code = "M_UNKNOWN_DEVICE"
	UnknownToken          Code = "M_UNKNOWN_TOKEN"
	Unrecognized          Code = "M_UNRECOGNIZED"
	UserLimitExceeded     Code = "M_USER_LIMIT_EXCEEDED"
	UserLocked            Code = "M_USER_LOCKED"
	UserSuspended         Code = "M_USER_SUSPENDED"
)

// Codes of particular endpoints of the Client-Server and Server-Server API.
//
// Spec: client-server-api#other-error-codes
const (
	AppserviceLoginUnsupported  Code = "M_APPSERVICE_LOGIN_UNSUPPORTED"
	BadAlias                    Code = "M_BAD_ALIAS"
	BadState                    Code = "M_BAD_STATE"
	BadStatus                   Code = "M_BAD_STATUS"
	CannotLeaveServerNoticeRoom Code = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
	CannotOverwriteMedia        Code = "M_CANNOT_OVERWRITE_MEDIA"
	CaptchaInvalid              Code = "M_CAPTCHA_INVALID"
	CaptchaNeeded               Code = "M_CAPTCHA_NEEDED"
	ConnectionFailed            Code = "M_CONNECTION_FAILED"
	ConnectionTimeout           Code = "M_CONNECTION_TIMEOUT"
	DuplicateAnnotation         Code = "M_DUPLICATE_ANNOTATION"
	Exclusive                   Code = "M_EXCLUSIVE"
	GuestAccessForbidden        Code = "M_GUEST_ACCESS_FORBIDDEN"
	IncompatibleRoomVersion     Code = "M_INCOMPATIBLE_ROOM_VERSION"
	InvalidParam                Code = "M_INVALID_PARAM"
	InvalidRoomState            Code = "M_INVALID_ROOM_STATE"
	InvalidSignature            Code = "M_INVALID_SIGNATURE"
	InvalidUsername             Code = "M_INVALID_USERNAME"
	InviteBlocked               Code = "M_INVITE_BLOCKED"
	KeyTooLarge                 Code = "M_KEY_TOO_LARGE"
	MissingParam                Code = "M_MISSING_PARAM"
	NotYetUploaded              Code = "M_NOT_YET_UPLOADED"
	ProfileTooLarge             Code = "M_PROFILE_TOO_LARGE"
	RoomInUse                   Code = "M_ROOM_IN_USE"
	ServerNotTrusted            Code = "M_SERVER_NOT_TRUSTED"
	ThreepidAuthFailed          Code = "M_THREEPID_AUTH_FAILED"
	ThreepidDenied              Code = "M_THREEPID_DENIED"
	ThreepidInUse               Code = "M_THREEPID_IN_USE"
	ThreepidMediumNotSupported  Code = "M_THREEPID_MEDIUM_NOT_SUPPORTED"
	ThreepidNotFound            Code = "M_THREEPID_NOT_FOUND"
	TooLarge                    Code = "M_TOO_LARGE"
	UnableToAuthoriseJoin       Code = "M_UNABLE_TO_AUTHORISE_JOIN"
	UnableToGrantJoin           Code = "M_UNABLE_TO_GRANT_JOIN"
	Unauthorized                Code = "M_UNAUTHORIZED"
	UnsupportedRoomVersion      Code = "M_UNSUPPORTED_ROOM_VERSION"
	URLNotSet                   Code = "M_URL_NOT_SET"
	UserDeactivated             Code = "M_USER_DEACTIVATED"
	UserInUse                   Code = "M_USER_IN_USE"
	WeakPassword                Code = "M_WEAK_PASSWORD"
	WrongRoomKeysVersion        Code = "M_WRONG_ROOM_KEYS_VERSION"
)

// Codes of the Identity Service API, which servers and clients get to see.
//
// Spec: identity-service-api#standard-error-response
const (
	EmailSendError      Code = "M_EMAIL_SEND_ERROR"
	InvalidAddress      Code = "M_INVALID_ADDRESS"
	InvalidEmail        Code = "M_INVALID_EMAIL"
	InvalidPepper       Code = "M_INVALID_PEPPER"
	NoValidSession      Code = "M_NO_VALID_SESSION"
	SendError           Code = "M_SEND_ERROR"
	SessionExpired      Code = "M_SESSION_EXPIRED"
	SessionNotValidated Code = "M_SESSION_NOT_VALIDATED"
	TermsNotSigned      Code = "M_TERMS_NOT_SIGNED"
	TokenIncorrect      Code = "M_TOKEN_INCORRECT"
)

// Error is a standard error response. Of the members behind the first two each
// belongs to some codes only and is left out otherwise.
//
// Spec: client-server-api#standard-error-response
type Error struct {
	Code    Code   `json:"errcode"`
	Message string `json:"error"`
	// RetryAfterMS, in milliseconds, is for LimitExceeded; deprecated in favour of
	// the header Retry-After.
	RetryAfterMS int64 `json:"retry_after_ms,omitzero"`
	// SoftLogout is for UnknownToken and UserLocked.
	SoftLogout bool `json:"soft_logout,omitzero"`
	// RoomVersion is for IncompatibleRoomVersion.
	RoomVersion string `json:"room_version,omitzero"`
	// AdminContact is for ResourceLimitExceeded.
	AdminContact string `json:"admin_contact,omitzero"`
	// CurrentVersion is for WrongRoomKeysVersion.
	CurrentVersion string `json:"current_version,omitzero"`
	// InfoURI and CanUpgrade are for UserLimitExceeded.
	InfoURI    string `json:"info_uri,omitzero"`
	CanUpgrade bool   `json:"can_upgrade,omitzero"`
}

// Error gives code and message.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// NewError is an error with a message for people.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Status is the HTTP status that a code usually comes with. Endpoints may use
// another one.
//
// Spec: client-server-api#standard-error-response
func (c Code) Status() int {
	switch c {
	case MissingToken, UnknownToken, UserLocked, Unauthorized:
		return 401
	case Forbidden, UserSuspended, UserDeactivated, GuestAccessForbidden, CannotLeaveServerNoticeRoom, ResourceLimitExceeded, InviteBlocked, TermsNotSigned,
		ThreepidDenied, WrongRoomKeysVersion, UserLimitExceeded:
		return 403
	case NotFound, Unrecognized, ThreepidNotFound:
		return 404
	case CannotOverwriteMedia:
		return 409
	case TooLarge:
		return 413
	case LimitExceeded:
		return 429
	case Unknown:
		return 500
	case NotYetUploaded, ConnectionTimeout:
		return 504
	case BadStatus, ConnectionFailed:
		return 502
	}
	return 400
}

// checkURL refuses what is no http or https URL.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%.100q is no http or https URL", text)
	}
	return nil
}
