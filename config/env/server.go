package env

import (
	"fmt"

	"lighter/config"
)

// openPaths are those of the agent's own server that need no user: who watches the agent has none.
var openPaths = []string{"/health", "/-/healthy", "/ready", "/-/ready", "/metrics"}

// ServerAuth returns what the agent's own server asks of who asks it; nil is nothing.
func (s *Settings) ServerAuth() *config.ServerAuth {
	if s.HTTPUser == "" {
		return nil
	}
	return &config.ServerAuth{User: s.HTTPUser, Password: s.HTTPPassword, Paths: openPaths}
}

// ServerTLS returns how the agent's own server is known; nil is plain HTTP.
func (s *Settings) ServerTLS() *config.ServerTLS {
	if s.TLSCert == "" {
		return nil
	}
	return &config.ServerTLS{CertFile: s.TLSCert, KeyFile: s.TLSKey}
}

// halfOfServer says which of the two pairs of settings of the agent's own server are half set.
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
