package config

import (
	"fmt"
	"io"
)

// Format hides the secret for every verb: package fmt prints the content of a pointer field with an
// unsuitable verb without calling the methods of its types.
func (a *ServerAuth) Format(f fmt.State, _ rune) {
	if a == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(f, "{User:%q Password:%v Paths:%q OnlyPaths:%t}", a.User, a.Password, a.Paths, a.OnlyPaths)
}

// Format hides the secret for every verb.
func (t *ServerTLS) Format(f fmt.State, _ rune) {
	if t == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(f, "{CertFile:%q Key:%v KeyFile:%q ClientCAFile:%q ClientAuth:%v}", t.CertFile, t.Key, t.KeyFile, t.ClientCAFile, t.ClientAuth)
}
