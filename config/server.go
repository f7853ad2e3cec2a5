package config

import (
	"fmt"
	"io"
)

// Format writes no secret, whatever the verb: package fmt prints what is behind a pointer field with a verb
// that does not fit it without asking its types.
func (a *ServerAuth) Format(f fmt.State, _ rune) {
	if a == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(f, "{User:%q Password:%v Paths:%q OnlyPaths:%t}", a.User, a.Password, a.Paths, a.OnlyPaths)
}

// Format writes no secret, whatever the verb.
func (t *ServerTLS) Format(f fmt.State, _ rune) {
	if t == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(f, "{CertFile:%q Key:%v KeyFile:%q ClientCAFile:%q ClientAuth:%v}", t.CertFile, t.Key, t.KeyFile, t.ClientCAFile, t.ClientAuth)
}
