package env

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"lighter"
)

const lokiPushPath = "/loki/api/v1/push"

// parseLokiURL is parseBackendURL for Loki, whose push path may be omitted.
func parseLokiURL(v string) (Backend, error) {
	b, err := parseBackendURL(v)
	if err != nil {
		return Backend{}, err
	}
	u, err := url.Parse(b.URL)
	if err != nil {
		return Backend{}, err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = lokiPushPath
	}
	b.URL = u.String()
	return b, nil
}

// parseBackendURL parses an http or https URL. It moves a user and password in the URL to the backend's
// fields.
func parseBackendURL(v string) (Backend, error) {
	u, err := parseHTTP(v)
	if err != nil {
		return Backend{}, err
	}
	var b Backend
	if user := u.User; user != nil {
		password, _ := user.Password()
		if user.Username() == "" || password == "" {
			return Backend{}, errors.New("want a user and a password before the @, or neither")
		}
		if err := b.setUser(user.Username()); err != nil {
			return Backend{}, err
		}
		b.Token, u.User = lighter.Secret(password), nil
	}
	b.URL = u.String()
	return b, nil
}

// setUser must be called after the URL is set.
func (b *Backend) setUser(user string) error {
	if b.User != "" {
		return errors.New("want one user, the URL has one too")
	}
	user, err := parseUser(user)
	b.User = user
	return err
}

// parseUser parses a user for basic auth.
func parseUser(v string) (string, error) {
	if strings.Contains(v, ":") {
		return "", errors.New("want a user without a colon, basic auth has no way to send one")
	}
	return parseHeader(v)
}

// setToken must be called after the URL is set.
func (b *Backend) setToken(token lighter.Secret) error {
	if b.Token != "" {
		return errors.New("want one password, the URL has one too")
	}
	b.Token = token
	return nil
}

// parseHTTP parses an http or https URL with a host. Its errors, unlike those of package url, contain
// nothing of the URL.
func parseHTTP(v string) (*url.URL, error) {
	wrong := errors.New("want a URL such as https://host or http://host:port/path")
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, wrong
	}
	if port := u.Port(); port != "" && !isPort(port) || strings.HasSuffix(u.Host, ":") {
		return nil, wrong
	}
	if strings.Contains(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@") {
		return nil, wrong // a password contains an unescaped / or ? or #
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// shown quotes a value for an error or a warning, without parts that may be a password. Any value may be a
// URL in the wrong variable.
func shown(v string) string {
	if strings.Contains(v, "://") || strings.Contains(v, "@") || strings.HasPrefix(v, "/") {
		return shownURL(v)
	}
	return strconv.Quote(v)
}

// leadingScheme matches the beginning of a URL.
var leadingScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// shownURL is shown for a URL with or without a scheme, or a list of URLs. Of the text before the last @ it
// shows only the scheme, and nothing of what follows a question mark. If an @ follows a question mark,
// either one may be part of a password.
func shownURL(v string) string {
	scheme := leadingScheme.FindString(v)
	rest := v[len(scheme):]
	at, query := strings.LastIndex(rest, "@"), strings.Index(rest, "?")
	switch {
	case query >= 0 && at > query:
		rest = "…"
	case query >= 0:
		rest = rest[at+1 : query]
	default:
		rest = rest[at+1:]
	}
	return strconv.Quote(scheme + rest)
}
