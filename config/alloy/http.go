package alloy

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	promconfig "github.com/prometheus/common/config"

	"lighter"
)

// HTTPClient are the arguments of a component that makes HTTP requests.
type HTTPClient struct {
	BasicAuth       *BasicAuth        `alloy:"basic_auth,block,optional"`
	Authorization   *Authorization    `alloy:"authorization,block,optional"`
	OAuth2          *OAuth2           `alloy:"oauth2,block,optional"`
	BearerToken     alloytypes.Secret `alloy:"bearer_token,attr,optional"`
	BearerTokenFile string            `alloy:"bearer_token_file,attr,optional"`
	Proxy           Proxy             `alloy:",squash"`
	TLS             TLS               `alloy:"tls_config,block,optional"`
	FollowRedirects bool              `alloy:"follow_redirects,attr,optional"`
	EnableHTTP2     bool              `alloy:"enable_http2,attr,optional"`

	Headers map[string][]alloytypes.Secret `alloy:"http_headers,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (c *HTTPClient) SetToDefault() { *c = HTTPClient{FollowRedirects: true, EnableHTTP2: true} }

// Validate reports the errors that Alloy reports.
func (c *HTTPClient) Validate() error {
	ways := 0
	for _, set := range []bool{c.BasicAuth != nil, c.Authorization != nil, c.OAuth2 != nil, c.BearerToken != "", c.BearerTokenFile != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return errors.New("only one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file can be set")
	}
	if headers := c.config().HTTPHeaders; headers != nil {
		if err := headers.Validate(); err != nil {
			return err
		}
	}
	return c.Proxy.Validate()
}

// config returns the settings in the form that the agent's clients use.
func (c *HTTPClient) config() promconfig.HTTPClientConfig {
	all := promconfig.HTTPClientConfig{
		TLSConfig:       c.TLS.config(),
		FollowRedirects: c.FollowRedirects,
		EnableHTTP2:     c.EnableHTTP2,
		ProxyConfig:     c.Proxy.config(),
	}
	switch {
	case c.BasicAuth != nil:
		all.BasicAuth = &promconfig.BasicAuth{
			Username:     c.BasicAuth.Username,
			Password:     promconfig.Secret(c.BasicAuth.Password),
			PasswordFile: c.BasicAuth.PasswordFile,
		}
	case c.Authorization != nil:
		all.Authorization = &promconfig.Authorization{
			Type:            c.Authorization.Type,
			Credentials:     promconfig.Secret(c.Authorization.Credentials),
			CredentialsFile: c.Authorization.CredentialsFile,
		}
	case c.OAuth2 != nil:
		all.OAuth2 = c.OAuth2.config()
	case c.BearerToken != "" || c.BearerTokenFile != "":
		all.Authorization = &promconfig.Authorization{
			Type:            bearer,
			Credentials:     promconfig.Secret(c.BearerToken),
			CredentialsFile: c.BearerTokenFile,
		}
	}
	if len(c.Headers) > 0 {
		all.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{}}
		for name, values := range c.Headers {
			all.HTTPHeaders.Headers[name] = promconfig.Header{Secrets: promSecrets(values)}
		}
	}
	return all
}

func promSecrets(values []alloytypes.Secret) []promconfig.Secret {
	all := make([]promconfig.Secret, len(values))
	for i, v := range values {
		all[i] = promconfig.Secret(v)
	}
	return all
}

// secretHeaders returns headers in the form that endpoints use.
func secretHeaders(headers map[string]string) map[string]lighter.Secret {
	if len(headers) == 0 {
		return nil
	}
	all := make(map[string]lighter.Secret, len(headers))
	for name, value := range headers {
		all[name] = lighter.Secret(value)
	}
	return all
}

const bearer = "Bearer"

// BasicAuth is a user name and a password.
type BasicAuth struct {
	Username     string            `alloy:"username,attr,optional"`
	Password     alloytypes.Secret `alloy:"password,attr,optional"`
	PasswordFile string            `alloy:"password_file,attr,optional"`
}

// Validate reports an error if there are two passwords.
func (b *BasicAuth) Validate() error {
	return atMostOne(b.Password != "", "password", b.PasswordFile != "", "password_file")
}

// Authorization is an Authorization header other than that of BasicAuth.
type Authorization struct {
	Type            string            `alloy:"type,attr,optional"`
	Credentials     alloytypes.Secret `alloy:"credentials,attr,optional"`
	CredentialsFile string            `alloy:"credentials_file,attr,optional"`
}

// Validate refuses the type basic, for which there is the basic_auth block.
func (a *Authorization) Validate() error {
	if err := atMostOne(a.Credentials != "", "credentials", a.CredentialsFile != "", "credentials_file"); err != nil {
		return err
	}
	a.Type = strings.TrimSpace(a.Type)
	if a.Type == "" {
		a.Type = bearer
	}
	if strings.EqualFold(a.Type, "basic") {
		return errors.New(`the type cannot be "basic"; write a basic_auth block instead`)
	}
	return nil
}

// OAuth2 says how to request a token.
type OAuth2 struct {
	ClientID         string            `alloy:"client_id,attr,optional"`
	ClientSecret     alloytypes.Secret `alloy:"client_secret,attr,optional"`
	ClientSecretFile string            `alloy:"client_secret_file,attr,optional"`
	Scopes           []string          `alloy:"scopes,attr,optional"`
	TokenURL         string            `alloy:"token_url,attr,optional"`
	EndpointParams   map[string]string `alloy:"endpoint_params,attr,optional"`
	Proxy            Proxy             `alloy:",squash"`
	TLS              *TLS              `alloy:"tls_config,block,optional"`
}

// Validate reports the errors that Alloy reports.
func (o *OAuth2) Validate() error {
	switch {
	case o.ClientID == "":
		return errors.New("oauth2 needs a client_id")
	case o.ClientSecret == "" && o.ClientSecretFile == "":
		return errors.New("oauth2 needs a client_secret or a client_secret_file")
	case o.TokenURL == "":
		return errors.New("oauth2 needs a token_url")
	}
	if err := atMostOne(o.ClientSecret != "", "client_secret", o.ClientSecretFile != "", "client_secret_file"); err != nil {
		return err
	}
	return o.Proxy.Validate()
}

func (o *OAuth2) config() *promconfig.OAuth2 {
	c := &promconfig.OAuth2{
		ClientID:         o.ClientID,
		ClientSecret:     promconfig.Secret(o.ClientSecret),
		ClientSecretFile: o.ClientSecretFile,
		Scopes:           o.Scopes,
		TokenURL:         o.TokenURL,
		EndpointParams:   maps.Clone(o.EndpointParams),
		ProxyConfig:      o.Proxy.config(),
	}
	if o.TLS != nil {
		c.TLSConfig = o.TLS.config()
	}
	return c
}

// Proxy says which proxy a client uses.
type Proxy struct {
	ProxyURL             ProxyURL                       `alloy:"proxy_url,attr,optional"`
	NoProxy              string                         `alloy:"no_proxy,attr,optional"`
	ProxyFromEnvironment bool                           `alloy:"proxy_from_environment,attr,optional"`
	ProxyConnectHeader   map[string][]alloytypes.Secret `alloy:"proxy_connect_header,attr,optional"`
}

// ProxyURL is the address of a proxy.
type ProxyURL struct{ *url.URL }

// UnmarshalText parses the address.
func (u *ProxyURL) UnmarshalText(text []byte) error {
	parsed, err := url.Parse(string(text))
	if err != nil {
		return errors.New("it is not a valid URL")
	}
	u.URL = parsed
	return nil
}

// Validate reports the errors that Alloy reports.
func (p *Proxy) Validate() error {
	given := p.ProxyURL.URL != nil && p.ProxyURL.String() != ""
	switch {
	case len(p.ProxyConnectHeader) > 0 && !given && !p.ProxyFromEnvironment:
		return errors.New("proxy_connect_header needs proxy_url or proxy_from_environment")
	case given && p.ProxyFromEnvironment:
		return errors.New("proxy_url and proxy_from_environment cannot both be set")
	case p.NoProxy != "" && p.ProxyFromEnvironment:
		return errors.New("no_proxy and proxy_from_environment cannot both be set")
	case p.NoProxy != "" && !given:
		return errors.New("no_proxy needs proxy_url")
	}
	return nil
}

func (p *Proxy) config() promconfig.ProxyConfig {
	c := promconfig.ProxyConfig{
		ProxyURL:             promconfig.URL{URL: p.ProxyURL.URL},
		NoProxy:              p.NoProxy,
		ProxyFromEnvironment: p.ProxyFromEnvironment,
	}
	if len(p.ProxyConnectHeader) > 0 {
		c.ProxyConnectHeader = promconfig.ProxyHeader{}
		for name, values := range p.ProxyConnectHeader {
			c.ProxyConnectHeader[name] = promSecrets(values)
		}
	}
	return c
}

// TLS says how a client verifies a server, and with which certificate it authenticates itself.
type TLS struct {
	CA                 string            `alloy:"ca_pem,attr,optional"`
	CAFile             string            `alloy:"ca_file,attr,optional"`
	Cert               string            `alloy:"cert_pem,attr,optional"`
	CertFile           string            `alloy:"cert_file,attr,optional"`
	Key                alloytypes.Secret `alloy:"key_pem,attr,optional"`
	KeyFile            string            `alloy:"key_file,attr,optional"`
	ServerName         string            `alloy:"server_name,attr,optional"`
	InsecureSkipVerify bool              `alloy:"insecure_skip_verify,attr,optional"`
	MinVersion         TLSVersion        `alloy:"min_version,attr,optional"`
}

// TLSVersion is a version such as "TLS12".
type TLSVersion promconfig.TLSVersion

// UnmarshalText refuses an unknown version.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	known, ok := promconfig.TLSVersions[string(text)]
	if !ok {
		return fmt.Errorf("there is no such version of TLS; the versions are %s", list(slices.Sorted(maps.Keys(promconfig.TLSVersions))))
	}
	*v = TLSVersion(known)
	return nil
}

// Validate reports the errors that Alloy reports.
func (t *TLS) Validate() error {
	if err := errors.Join(
		atMostOne(t.CA != "", "ca_pem", t.CAFile != "", "ca_file"),
		atMostOne(t.Cert != "", "cert_pem", t.CertFile != "", "cert_file"),
		atMostOne(t.Key != "", "key_pem", t.KeyFile != "", "key_file"),
	); err != nil {
		return err
	}
	cert, key := t.Cert != "" || t.CertFile != "", t.Key != "" || t.KeyFile != ""
	switch {
	case cert && !key:
		return errors.New("a certificate needs key_pem or key_file")
	case key && !cert:
		return errors.New("a key needs cert_pem or cert_file")
	}
	return nil
}

func (t *TLS) config() promconfig.TLSConfig {
	return promconfig.TLSConfig{
		CA:                 t.CA,
		CAFile:             t.CAFile,
		Cert:               t.Cert,
		CertFile:           t.CertFile,
		Key:                promconfig.Secret(t.Key),
		KeyFile:            t.KeyFile,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion:         promconfig.TLSVersion(t.MinVersion),
	}
}

func atMostOne(a bool, nameA string, b bool, nameB string) error {
	if a && b {
		return fmt.Errorf("%s and %s cannot both be set", nameA, nameB)
	}
	return nil
}
