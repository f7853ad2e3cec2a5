package web

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"lighter/config"
)

// Access determines who may request what from a Server, and whether the Server uses TLS. The nil Access
// permits everything over plain HTTP.
type Access struct {
	auth           *config.ServerAuth
	user, password [sha256.Size]byte // digests, so that a comparison does not reveal a length
	tls            *tls.Config       // nil means plain HTTP
}

// NewAccess reads the certificates of t. Both a and t may be nil, which requires nothing. If a certificate
// changes on disk later, the next connections use it; if it cannot be read then, that is logged, and the
// previous one stays in use.
func NewAccess(a *config.ServerAuth, t *config.ServerTLS, logger *slog.Logger) (*Access, error) {
	access := &Access{auth: a}
	if a != nil {
		access.user, access.password = sha256.Sum256([]byte(a.User)), sha256.Sum256([]byte(a.Password.Reveal()))
	}
	if t == nil {
		return access, nil
	}
	pair := &keyPair{from: t, logger: logger}
	if _, err := pair.current(nil); err != nil {
		return nil, err
	}
	access.tls = &tls.Config{
		GetCertificate: pair.current,
		ClientAuth:     t.ClientAuth,
		MinVersion:     t.MinVersion,
		MaxVersion:     t.MaxVersion,
		NextProtos:     []string{"http/1.1"},
	}
	if t.ClientCA == "" && t.ClientCAFile == "" {
		return access, nil
	}
	const what = "the authority of the clients' certificates"
	ca, err := textOrFile(t.ClientCA, t.ClientCAFile, what, "client_ca_file of the http block")
	if err != nil {
		return nil, err
	}
	access.tls.ClientCAs = x509.NewCertPool()
	if !access.tls.ClientCAs.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s %s: there is no certificate in PEM form", what, cmp.Or(t.ClientCAFile, "(client_ca_pem of the http block)"))
	}
	return access, nil
}

// textOrFile returns text, or the content of a file if text is empty.
func textOrFile(text, file, what, setting string) ([]byte, error) {
	if text != "" {
		return []byte(text), nil
	}
	content, err := os.ReadFile(file)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from %s (%s): %w", what, file, setting, err)
	}
	return content, nil
}

// keyPair is the certificate and the key of the server. Files are read again when they change.
type keyPair struct {
	from   *config.ServerTLS
	logger *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate // nil until read
	stamps [2]fileStamp     // of the files when they were last read, successfully or not
}

// fileStamp distinguishes the contents of a file.
type fileStamp struct {
	size     int64
	modified time.Time
}

func stampOf(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}

// current returns the pair. It returns an error only if there is no pair at all.
func (k *keyPair) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := [2]fileStamp{stampOf(k.from.CertFile), stampOf(k.from.KeyFile)}
	if k.pair != nil && now == k.stamps {
		return k.pair, nil
	}
	k.stamps = now
	next, err := k.read()
	switch {
	case err == nil:
		k.pair = next
	case k.pair == nil:
		return nil, err
	default:
		k.logger.Warn("the server's certificate has changed and cannot be used, and the one before goes on", "error", err)
	}
	return k.pair, nil
}

func (k *keyPair) read() (*tls.Certificate, error) {
	const certSetting, keySetting = "LIGHTER_TLS_CERT, or cert_file of an http block", "LIGHTER_TLS_KEY, or key_file of an http block"
	cert, err := textOrFile(k.from.Cert, k.from.CertFile, "the server's certificate", certSetting)
	if err != nil {
		return nil, err
	}
	key, err := textOrFile(k.from.Key.Reveal(), k.from.KeyFile, "the key of the server's certificate", keySetting)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("use the server's certificate %s (%s) with the key %s (%s): %w",
			cmp.Or(k.from.CertFile, "that is written down"), certSetting, cmp.Or(k.from.KeyFile, "that is written down"), keySetting, err)
	}
	return &pair, nil
}

// healthPaths report whether the agent is healthy. This machine may always request them, because its health
// check has no password.
var healthPaths = []string{"/health", "/-/healthy", "/ready", "/-/ready"}

// allows reports whether a request is permitted. path is the path of what it requests, without the prefix
// below which everything can also be reached.
func (a *Access) allows(r *http.Request, path, prefix string) bool {
	if a == nil || a.auth == nil || !a.guards(r.URL.Path, path, prefix) {
		return true
	}
	if slices.Contains(healthPaths, path) && fromHere(r) {
		return true
	}
	user, password, ok := r.BasicAuth()
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(u[:], a.user[:])&subtle.ConstantTimeCompare(p[:], a.password[:]) == 1 && ok
}

// guards reports whether a path requires a user. What can be reached by two paths requires one if either
// path does.
func (a *Access) guards(asked, path, prefix string) bool {
	listed := func(path string) bool {
		return slices.ContainsFunc(a.auth.Paths, func(start string) bool { return strings.HasPrefix(path, start) })
	}
	if a.auth.OnlyPaths {
		return listed(asked) || listed(path) || listed(prefix+path)
	}
	return !listed(asked) && !listed(path)
}

// fromHere reports whether a request comes from this machine.
func fromHere(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	if err != nil || ip == nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ip.IsLoopback() || ok && local.IP.Equal(ip)
}

// listener accepts TLS connections while the Access of its server has a certificate.
type listener struct {
	net.Listener
	server *Server
}

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if c := l.server.tlsConfig(); c != nil {
		return tls.Server(conn, c), nil
	}
	return conn, nil
}
