package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hanse-im/hanse/matrix/id"
)

// Versions is what a server supports.
//
// Spec: client-server-api#api-versions
type Versions struct {
	Versions         []string        `json:"versions"`
	UnstableFeatures map[string]bool `json:"unstable_features,omitempty"`
}

// WellKnownClient is the answer of /.well-known/matrix/client.
//
// Spec: client-server-api#well-known-uris
type WellKnownClient struct {
	Homeserver struct {
		BaseURL string `json:"base_url"`
	} `json:"m.homeserver"`
	IdentityServer *struct {
		BaseURL string `json:"base_url"`
	} `json:"m.identity_server,omitempty"`
}

// Check refuses addresses that are no URLs.
func (w *WellKnownClient) Check() error {
	if err := checkURL(w.Homeserver.BaseURL); err != nil {
		return err
	}
	if w.IdentityServer != nil {
		return checkURL(w.IdentityServer.BaseURL)
	}
	return nil
}

// The stages of user-interactive authentication and the types of login.
//
// Spec: client-server-api#authentication-types
const (
	StagePassword          = "m.login.password"
	StageRecaptcha         = "m.login.recaptcha"
	StageSSO               = "m.login.sso"
	StageEmail             = "m.login.email.identity"
	StageMSISDN            = "m.login.msisdn"
	StageDummy             = "m.login.dummy"
	StageRegistrationToken = "m.login.registration_token"
	StageTerms             = "m.login.terms"
	StageOAuth             = "m.oauth"

	LoginToken      = "m.login.token"
	LoginAppservice = "m.login.application_service"
)

// AuthFlow is one way through user-interactive authentication.
type AuthFlow struct {
	Stages []string `json:"stages"`
}

// AuthChallenge is the answer, with status 401, to a request that needs
// user-interactive authentication; code and message tell why a stage failed.
//
// Spec: client-server-api#user-interactive-api-in-the-rest-api
type AuthChallenge struct {
	Flows     []AuthFlow                `json:"flows"`
	Params    map[string]jsontext.Value `json:"params,omitempty"`
	Session   string                    `json:"session,omitzero"`
	Completed []string                  `json:"completed,omitempty"`
	Code      Code                      `json:"errcode,omitzero"`
	Message   string                    `json:"error,omitzero"`
}

// AuthData is what a client submits for a stage, as far as all stages have it in
// common; the rest is read by who handles the stage.
//
// Spec: client-server-api#user-interactive-api-in-the-rest-api
type AuthData struct {
	Type    string `json:"type,omitzero"`
	Session string `json:"session,omitzero"`
}

// Identifier says who a user is.
//
// Spec: client-server-api#identifier-types
type Identifier struct {
	Type    string `json:"type"`
	User    string `json:"user,omitzero"`
	Medium  string `json:"medium,omitzero"`
	Address string `json:"address,omitzero"`
	Country string `json:"country,omitzero"`
	Phone   string `json:"phone,omitzero"`
}

// The types of identifiers.
const (
	IdentifierUser       = "m.id.user"
	IdentifierThirdParty = "m.id.thirdparty"
	IdentifierPhone      = "m.id.phone"
)

// LoginFlows lists the ways to log in.
//
// Spec: client-server-api#login
type LoginFlows struct {
	Flows []LoginFlow `json:"flows"`
}

// LoginFlow is one way to log in.
type LoginFlow struct {
	Type                string `json:"type"`
	GetLoginToken       bool   `json:"get_login_token,omitzero"`
	OAuthAwarePreferred bool   `json:"oauth_aware_preferred,omitzero"`
}

// LoginRequest asks for an access token.
//
// Spec: client-server-api#login
type LoginRequest struct {
	Type         string      `json:"type"`
	Identifier   *Identifier `json:"identifier,omitempty"`
	Password     string      `json:"password,omitzero"`
	Token        string      `json:"token,omitzero"`
	DeviceID     id.Device   `json:"device_id,omitzero"`
	DisplayName  string      `json:"initial_device_display_name,omitzero"`
	RefreshToken bool        `json:"refresh_token,omitzero"`
	// User, Medium and Address are the deprecated forms of Identifier.
	User    string `json:"user,omitzero"`
	Medium  string `json:"medium,omitzero"`
	Address string `json:"address,omitzero"`
}

// Session is what login and registration give. ExpiresInMS is in milliseconds.
//
// Spec: client-server-api#login
type Session struct {
	UserID       id.User          `json:"user_id"`
	AccessToken  string           `json:"access_token,omitzero"`
	DeviceID     id.Device        `json:"device_id,omitzero"`
	RefreshToken string           `json:"refresh_token,omitzero"`
	ExpiresInMS  int64            `json:"expires_in_ms,omitzero"`
	HomeServer   id.Server        `json:"home_server,omitzero"`
	WellKnown    *WellKnownClient `json:"well_known,omitempty"`
}

// RefreshRequest and RefreshResponse change a refresh token for an access token.
//
// Spec: client-server-api#refreshing-access-tokens
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// RefreshResponse holds the new tokens. ExpiresInMS is in milliseconds.
type RefreshResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitzero"`
	ExpiresInMS  int64  `json:"expires_in_ms,omitzero"`
}

// WhoAmI says whom an access token belongs to.
type WhoAmI struct {
	UserID   id.User   `json:"user_id"`
	DeviceID id.Device `json:"device_id,omitzero"`
	IsGuest  bool      `json:"is_guest,omitzero"`
}
