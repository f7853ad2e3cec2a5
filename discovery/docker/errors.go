package docker

import (
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"lighter"
)

// Errors that only this package checks for.
var (
	// errRefused means that the Engine, or a proxy before it, does not allow this request.
	errRefused = errors.New("refused")
	// errDisconnected means that the client must connect again, perhaps with another API version.
	errDisconnected = errors.New("disconnected")
	// errEnded means that an open stream has ended without an error.
	errEnded = errors.New("ended")
)

// kinded is an error that also wraps its kind: one of the errors above, lighter.ErrGone or
// lighter.ErrUnreadable. Its text is that of the error alone.
type kinded struct {
	error
	kind error
}

func (e kinded) Unwrap() []error { return []error{e.error, e.kind} }

// explain adds its kind to an error of the Docker client. If a request was refused, the error tells the
// user of a proxy before the socket which path to allow.
func explain(err error, path string) error {
	var u *unreachable
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &u):
		return kinded{u, errDisconnected}
	case client.IsErrConnectionFailed(err):
		return kinded{err, errDisconnected}
	case cerrdefs.IsNotFound(err) && !strings.Contains(text, "page not found"): // a proxy, or an Engine without the path, responds with "page not found"
		return kinded{err, lighter.ErrGone}
	case cerrdefs.IsConflict(err):
		return kinded{err, lighter.ErrGone}
	case cerrdefs.IsNotImplemented(err):
		return kinded{err, lighter.ErrUnreadable}
	case cerrdefs.IsPermissionDenied(err), cerrdefs.IsUnauthorized(err), cerrdefs.IsNotFound(err):
		return kinded{fmt.Errorf("%w; the proxy before the Engine's socket must let GET %s through", err, path), errRefused}
	case isVersion(err): // a different Engine is behind the socket now
		return kinded{err, errDisconnected}
	}
	return err
}

// isVersion reports whether the Engine refused a request because its API version is too old or too new.
func isVersion(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "client version")
}
