package env

import (
	"fmt"
	"slices"
	"strings"
)

// withFile are the settings that apply if an Alloy file determines what runs. They are about the process
// and the host, or about what such a file cannot express.
var withFile = []string{
	"LIGHTER_HOST", "LIGHTER_LOG_SOURCE", "LIGHTER_DOCKER_ROOT", "LIGHTER_LOGS_SINCE", "LIGHTER_MAX_LINE",
	"LIGHTER_DATA_DIR", "LIGHTER_BUFFER_MAX", "LIGHTER_BUDGET_LOGS", "LIGHTER_BUDGET_SERIES",
	"LIGHTER_LISTEN", "LIGHTER_HTTP_USER", "LIGHTER_HTTP_PASSWORD", "LIGHTER_TLS_CERT", "LIGHTER_TLS_KEY", "LIGHTER_LOG_LEVEL", "LIGHTER_LOG_FORMAT",
}

// ForFile returns the settings that apply in addition to an Alloy file. The other variables are the file's:
// it may read them with sys.env, and their values are not examined. A LIGHTER_ setting without effect in
// combination with a file is a warning.
func ForFile(environ []string, readFile func(path string) ([]byte, error)) (*Settings, []string, error) {
	var kept, warnings []string
	all := table()
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		known := slices.ContainsFunc(all, func(s setting) bool { return s.name == name })
		switch {
		case !strings.HasPrefix(name, "LIGHTER_"):
		case known && !slices.Contains(withFile, name):
			if value != "" {
				warnings = append(warnings, fmt.Sprintf("%s has no effect: what is collected is said by the file alone", name))
			}
		default:
			kept = append(kept, kv)
		}
	}
	s, more, err := ReadSettings(kept, readFile)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(warnings)
	return s, append(more, slices.Compact(warnings)...), nil
}

// LogRoot returns the directory of the Engine's log files, or "" if they must not be read.
func (s *Settings) LogRoot() string {
	if s.LogSource == sourceSocket {
		return ""
	}
	return s.DockerRoot
}
