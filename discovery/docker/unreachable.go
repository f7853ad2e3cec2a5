package docker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"lighter"
)

// unreachable is the error of a request that got no response. It contains the reason and possible remedies.
// It must not be an error of package net, because the Docker client replaces those with one that lacks the
// reason.
type unreachable struct {
	target endpoint
	err    error
}

func (u *unreachable) Unwrap() error { return u.err }

func (u *unreachable) Error() string {
	return "no response from " + u.target.host + ": " + u.why()
}

func (u *unreachable) why() string {
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(u.err, syscall.ENOENT):
		return "there is no such socket; is Docker running, and its socket mounted?"
	case errors.Is(u.err, syscall.EACCES):
		return "permission denied; " + u.group()
	case errors.Is(u.err, syscall.ECONNREFUSED) && u.target.network == "unix":
		if unlinked(u.target.addr) {
			return "the socket is a file that Docker has since replaced; mount its directory instead of the file, then a new one is seen"
		}
		return "nobody listens; is Docker running? If it is, it has replaced a socket that was mounted as a file: mount its directory instead"
	case errors.Is(u.err, syscall.ECONNREFUSED):
		return "nobody listens there; is Docker running?"
	case errors.As(u.err, &certificate):
		return certificate.Error() + "; is ca.pem in " + lighter.SettingCertPath + " the Engine's?"
	case strings.Contains(u.err.Error(), "malformed HTTP response"):
		return "it does not speak plain HTTP; does it want TLS (" + lighter.SettingCertPath + ")?"
	case errors.As(u.err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return strings.NewReplacer("dial unix", "connect", "connection refused", "refused").Replace(u.err.Error())
}

// group describes which group the user of this process must be in to use the socket.
func (u *unreachable) group() string {
	info, err := os.Stat(u.target.addr)
	if err != nil {
		return "the user of this process must be allowed to use the socket"
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		uidMap, _ := os.ReadFile("/proc/self/uid_map")
		return groupAdvice(st.Gid, string(uidMap))
	}
	return "the user of this process must be in the socket's group"
}

// overflowID is the ID that the kernel shows for a user or group that a user namespace lacks.
const overflowID = 65534

// groupAdvice describes how to let the agent use a socket of the group gid. uidMap is the content of
// /proc/self/uid_map. If the Engine runs with userns-remap, the agent's container has a user namespace
// without the host's groups.
func groupAdvice(gid uint32, uidMap string) string {
	if gid == overflowID && remapped(uidMap) {
		return "the agent's container has a user namespace of its own (userns-remap), in which nobody may use the socket: give it the host's (userns_mode: host, --userns=host)"
	}
	return fmt.Sprintf("the socket belongs to group %d: add it (group_add, --group-add %d)", gid, gid)
}

// remapped reports whether the user namespace of a process is not the host's. uidMap is the content of its
// /proc/self/uid_map. In the host's namespace all users have their own IDs.
func remapped(uidMap string) bool {
	fields := strings.Fields(uidMap)
	return len(fields) > 0 && !slices.Equal(fields, []string{"0", "0", "4294967295"})
}

// unlinked reports whether a file has been removed and exists only because it is mounted.
func unlinked(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
