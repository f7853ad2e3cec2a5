package docker

import (
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"lighter"
)

// The errors that only this package looks for.
var (
	// errRefused says that the Engine, or a proxy before it, does not let this request through.
	errRefused = errors.New("refused")
	// errDisconnected says that the client must connect again, perhaps with another API version.
	errDisconnected = errors.New("disconnected")
	// errEnded says that an open stream has ended and that nothing was wrong with it.
	errEnded = errors.New("ended")
)

// kinded is an error that also wraps its kind: one of the errors above, lighter.ErrGone or lighter.ErrUnreadable. Its text is that of the
// error alone.
type kinded struct {
	error
	kind error
}

func (e kinded) Unwrap() []error { return []error{e.error, e.kind} }

// explain returns an error of the Docker client with its kind. If a request was refused, the error
// tells whoever runs a proxy before the socket which path to let through.
func explain(err error, path string) error {
	var u *unreachable
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &u):
		return kinded{u, errDisconnected}
	case client.IsErrConnectionFailed(err):
		return kinded{err, errDisconnected}
	case cerrdefs.IsNotFound(err) && !strings.Contains(text, "page not found"): // a proxy, or an Engine that lacks the path, says "page not found"
		return kinded{err, lighter.ErrGone}
	case cerrdefs.IsConflict(err):
		return kinded{err, lighter.ErrGone}
	case cerrdefs.IsNotImplemented(err):
		return kinded{err, lighter.ErrUnreadable}
	case cerrdefs.IsPermissionDenied(err), cerrdefs.IsUnauthorized(err), cerrdefs.IsNotFound(err):
		return kinded{fmt.Errorf("%w; the proxy before the Engine's socket must let GET %s through", err, path), errRefused}
	case isVersion(err): // another Engine than before is behind the socket
		return kinded{err, errDisconnected}
	}
	return err
}

// isVersion reports whether the Engine refused a request because its API version is too old or too new.
func isVersion(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "client version")
}
