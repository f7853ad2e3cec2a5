package env

import (
	"fmt"

	"lighter/config"
)

// openPaths are the paths of the agent's own server that require no user, because monitoring has none.
var openPaths = []string{"/health", "/-/healthy", "/ready", "/-/ready", "/metrics"}

// ServerAuth returns the authentication that the agent's own server requires, or nil for none.
func (s *Settings) ServerAuth() *config.ServerAuth {
	if s.HTTPUser == "" {
		return nil
	}
	return &config.ServerAuth{User: s.HTTPUser, Password: s.HTTPPassword, Paths: openPaths}
}

// ServerTLS returns the TLS settings of the agent's own server, or nil for plain HTTP.
func (s *Settings) ServerTLS() *config.ServerTLS {
	if s.TLSCert == "" {
		return nil
	}
	return &config.ServerTLS{CertFile: s.TLSCert, KeyFile: s.TLSKey}
}

// halfOfServer returns an error for each of the two pairs of settings of the agent's own server that is
// only half set.
func (s *Settings) halfOfServer() (wrong []string) {
	switch {
	case s.HTTPUser != "" && s.HTTPPassword == "":
		wrong = append(wrong, fmt.Sprintf("LIGHTER_HTTP_USER=%s: want a password with it, in LIGHTER_HTTP_PASSWORD or LIGHTER_HTTP_PASSWORD_FILE", shown(s.HTTPUser)))
	case s.HTTPUser == "" && s.HTTPPassword != "":
		wrong = append(wrong, "LIGHTER_HTTP_PASSWORD: want a user with it, in LIGHTER_HTTP_USER")
	}
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		wrong = append(wrong, fmt.Sprintf("LIGHTER_TLS_CERT=%s: want the file of its key with it, in LIGHTER_TLS_KEY", shown(s.TLSCert)))
	case s.TLSCert == "" && s.TLSKey != "":
		wrong = append(wrong, fmt.Sprintf("LIGHTER_TLS_KEY=%s: want the file of the certificate with it, in LIGHTER_TLS_CERT", shown(s.TLSKey)))
	}
	return wrong
}
