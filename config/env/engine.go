package env

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
)

const defaultSocket = "unix:///var/run/docker.sock"

// parseDockerHost parses DOCKER_HOST as the Docker CLI does: host:port alone means tcp. It does not support
// ssh and npipe.
func parseDockerHost(v string) (string, error) {
	wrong := errors.New("want unix:///path/of.sock, tcp://host:port or http://host:port")
	if path, ok := strings.CutPrefix(v, "unix://"); ok {
		if path != "" && !strings.HasPrefix(path, "/") {
			return "", wrong
		}
		return "unix://" + cmp.Or(path, strings.TrimPrefix(defaultSocket, "unix://")), nil
	}
	if strings.HasPrefix(v, "/") {
		return "", wrong
	}
	if !strings.Contains(v, "://") {
		v = "tcp://" + v
	}
	scheme, rest, _ := strings.Cut(v, "://")
	if scheme != "tcp" && scheme != "http" && scheme != "https" {
		return "", wrong
	}
	u, err := parseHTTP("http://" + rest)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return "", wrong
	}
	return scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/"), nil
}

func parseAPIVersion(v string) (string, error) {
	m := regexp.MustCompile(`^v?([0-9]+\.[0-9]+)$`).FindStringSubmatch(v)
	if m == nil {
		return "", errors.New("want a version such as 1.44")
	}
	return m[1], nil
}

// settleDocker sets what the TLS variables add to DOCKER_HOST.
func (s *Settings) settleDocker() error {
	scheme, address, _ := strings.Cut(s.DockerHost, "://")
	if scheme == "unix" || scheme == "http" {
		s.DockerCertPath, s.DockerTLSVerify = "", false // as in the Docker CLI, they apply only to TCP
		return nil
	}
	if s.DockerTLSVerify && s.DockerCertPath == "" {
		return errors.New("DOCKER_TLS_VERIFY: want the directory of ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH with it")
	}
	if u := (url.URL{Host: address}); scheme == "tcp" && u.Port() == "" {
		port := "2375"
		if s.DockerCertPath != "" {
			port = "2376"
		}
		s.DockerHost = "tcp://" + net.JoinHostPort(u.Hostname(), port)
	}
	return nil
}
