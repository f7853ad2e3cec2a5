package docker

import (
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// What an error of a Client may wrap.
var (
	// ErrGone says that the container does not exist any more, or is being removed.
	ErrGone = errors.New("the container is gone")
	// ErrUnreadable says that the container's log driver keeps nothing that could be read.
	ErrUnreadable = errors.New("the log driver keeps nothing that could be read")
)

// What else it may be, for this package alone.
var (
	// errRefused says that the Engine, or a proxy before it, does not let this request through.
	errRefused = errors.New("refused")
	// errDisconnected says that another connection, and another API version, may be needed.
	errDisconnected = errors.New("disconnected")
)

// kinded is an error of a kind that errors.Is finds; it prints as the error alone.
type kinded struct {
	error
	kind error
}

func (e kinded) Unwrap() []error { return []error{e.error, e.kind} }

// explain turns an error of the Docker client into one of ours. The path is for the hint
// to whoever runs a proxy before the socket.
func explain(err error, path string) error {
	var u *unreachable
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &u):
		return kinded{u, errDisconnected}
	case client.IsErrConnectionFailed(err):
		return kinded{err, errDisconnected}
	case cerrdefs.IsNotFound(err) && !strings.Contains(text, "page not found"): // that is a proxy's, or an Engine's without the path
		return kinded{err, ErrGone}
	case cerrdefs.IsConflict(err):
		return kinded{err, ErrGone}
	case cerrdefs.IsNotImplemented(err):
		return kinded{err, ErrUnreadable}
	case cerrdefs.IsPermissionDenied(err), cerrdefs.IsUnauthorized(err), cerrdefs.IsNotFound(err):
		return kinded{fmt.Errorf("%w; what stands before the Engine's socket must let GET %s through", err, path), errRefused}
	case strings.Contains(text, "client version"): // too old or too new: the Engine is not the one that it was
		return kinded{err, errDisconnected}
	}
	return err
}
