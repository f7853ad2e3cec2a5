package send

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/exporters/internal/redacted"
)

// ThroughProxy returns c with the URL of a proxy, which is a Secret up to this point because it may hold a
// password. If proxy is empty, c is unchanged.
func ThroughProxy(c promconfig.HTTPClientConfig, proxy lighter.Secret) (promconfig.HTTPClientConfig, error) {
	if proxy == "" {
		return c, nil
	}
	u, err := url.Parse(proxy.Reveal())
	if err != nil {
		return c, errors.New("the URL of the proxy is not usable") // err would show the password
	}
	c.ProxyURL = promconfig.URL{URL: u}
	return c, nil
}

// noResponse judges an attempt that failed without a response from the endpoint.
func (s *Sender) noResponse(err error) response {
	a := response{verdict: retry, text: networkError(err, s.Timeout)}
	if s.Proxy == nil {
		return a
	}
	a.text = fmt.Sprintf("through the proxy %s: %s", redacted.URL(s.Proxy.String()), a.text)
	if wantsCredentials(err) {
		a.verdict, a.status = hold, http.StatusProxyAuthRequired
	}
	return a
}

// wantsCredentials reports whether a proxy has refused to open a tunnel because it requires a user and a
// password. Package net/http returns only the status text of its response.
func wantsCredentials(err error) bool {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return strings.EqualFold(err.Error(), http.StatusText(http.StatusProxyAuthRequired))
}
