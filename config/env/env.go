package env

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/common/model"

	"lighter/collector/scrape"
	"lighter/config"
)

// FromEnv makes a plan from the environment. environ is in the form of os.Environ; if a name occurs twice
// the last one counts, so that a flag can be appended as a variable. readFile reads the file that a
// NAME_FILE variable names. A variable with an empty value counts as not set, because compose files produce
// such variables.
//
// Each warning is one line. There are warnings about unknown variables that look like settings, with the
// nearest known name, about values that were not used literally, and about settings without effect. The
// error is one line, too, and names every wrong variable with its value and what is accepted. With an error
// there are no warnings, so that the user sees only that line.
func FromEnv(environ []string, readFile func(path string) ([]byte, error)) (*config.Plan, []string, error) {
	s, warnings, err := ReadSettings(environ, readFile)
	if err != nil {
		return nil, nil, err
	}
	return s.Plan(), warnings, nil
}

// ReadSettings is the first half of FromEnv: it returns the values before they become a plan.
func ReadSettings(environ []string, readFile func(path string) ([]byte, error)) (*Settings, []string, error) {
	env := environment{values: map[string]string{}, readFile: readFile}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env.values[name] = value
		}
	}
	all := table()
	hostname, _ := cleaned(env.values["HOSTNAME"])
	s := &Settings{Hostname: hostname}
	var wrong []string
	for _, v := range all {
		if v.keep == nil {
			continue // it is read elsewhere, unchanged
		}
		if err := env.read(s, v); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) == 0 { // values that were not parsed cannot be compared
		wrong = s.settle()
	}
	if len(wrong) > 0 {
		return nil, nil, errors.New(strings.Join(wrong, "; "))
	}
	return s, slices.Concat(unknown(env.values, all), env.warnings, s.idle()), nil
}

type environment struct {
	values   map[string]string
	readFile func(path string) ([]byte, error)
	warnings []string // about values that were not used literally
}

// get returns a variable's value without surrounding quotes and blanks, and adds a warning if there were
// any.
func (e *environment) get(name string) string {
	value, removed := cleaned(e.values[name])
	if len(removed) > 0 {
		e.warnings = append(e.warnings, cleanedWarning(name, removed))
	}
	return value
}

// read reads one setting from the environment, or sets its default.
func (e *environment) read(s *Settings, v setting) error {
	value, from, err := e.find(v)
	if err != nil {
		return err
	}
	if value = cmp.Or(value, v.value); value == "" {
		return nil
	}
	if err := v.keep(s, value); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// find returns the value of a setting in the environment, from its variable or from the file that NAME_FILE
// names, or "" if it is not set. from describes the source for an error. It contains the value only if that
// came from a variable and is not a secret, because a file may be the wrong one. A path that is not
// absolute may be the secret itself.
func (e *environment) find(v setting) (value, from string, err error) {
	name := v.name
	if value = e.get(name); value == "" && v.alias != "" {
		name = v.alias
		value = e.get(name)
	}
	switch {
	case v.secret:
		from = name
	case v.url:
		from = name + "=" + shownURL(value)
	default:
		from = name + "=" + shown(value)
	}
	if v.fromFile() {
		path := e.get(name + fileSuffix)
		switch {
		case path != "" && value != "":
			return "", "", fmt.Errorf("%s and %s are both set: set one of them", name, name+fileSuffix)
		case path != "":
			from = name + fileSuffix
			if !v.secret || filepath.IsAbs(path) {
				from += "=" + shown(path)
			}
			if value, err = e.content(path, from); err != nil {
				return "", "", fmt.Errorf("%s: %w", from, err)
			}
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "", "", fmt.Errorf("%s: want one line without control characters", from)
		}
	}
	return value, from, nil
}

// content returns the content of a file. Its errors contain neither the path nor any of the content.
func (e *environment) content(path, from string) (string, error) {
	content, err := e.readFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the file: %s", strings.Join(strings.Fields(withoutPath(err).Error()), " "))
	}
	value, removed := cleaned(string(content))
	if len(removed) > 0 {
		e.warnings = append(e.warnings, cleanedWarning(from, removed))
	}
	if value == "" {
		return "", errors.New("the file is empty, want a value")
	}
	return value, nil
}

// settle sets what depends on more than one variable, and returns errors about combinations.
func (s *Settings) settle() (wrong []string) {
	for _, b := range []struct {
		prefix string
		Backend
	}{{"GRAFANA_LOKI", s.Loki}, {"GRAFANA_PROM", s.Prom}} {
		if b.URL != "" && b.User != "" && b.Token == "" {
			wrong = append(wrong, fmt.Sprintf("%s_USER=%q: want a password with it, in %[1]s_TOKEN or %[1]s_TOKEN_FILE", b.prefix, b.User))
		}
	}
	wrong = append(wrong, s.halfOfServer()...)
	if err := s.settleDocker(); err != nil {
		wrong = append(wrong, err.Error())
	}
	if s.ScrapeTimeout == 0 {
		s.ScrapeTimeout = min(scrape.DefaultConfig().Timeout, s.ScrapeInterval)
	}
	if s.ScrapeTimeout > s.ScrapeInterval {
		wrong = append(wrong, fmt.Sprintf("LIGHTER_SCRAPE_TIMEOUT=%q: want at most the interval, which is %s", short(s.ScrapeTimeout), short(s.ScrapeInterval)))
	}
	return wrong
}

// idle returns warnings about settings that have no effect because another is missing. With neither backend
// set, there is a local mode, which shows everything that is collected.
func (s *Settings) idle() (warnings []string) {
	for _, b := range []struct {
		prefix, what string
		Backend
	}{{"GRAFANA_LOKI", "logs", s.Loki}, {"GRAFANA_PROM", "metrics", s.Prom}} {
		if b.URL == "" && (b.User != "" || b.Token != "" || b.Tenant != "") {
			warnings = append(warnings, fmt.Sprintf("%s_URL is not set: %s are not sent, whatever the other %[1]s_* variables say", b.prefix, b.what))
		}
	}
	if s.Prom.URL == "" && s.Loki.URL != "" && len(s.ScrapeTargets) > 0 {
		warnings = append(warnings, "LIGHTER_SCRAPE_TARGETS has no effect: GRAFANA_PROM_URL is not set")
	}
	named := map[string]int{}
	for _, t := range s.ScrapeTargets {
		address := t.Get(model.AddressLabel)
		named[address]++
		if named[address] == 2 {
			warnings = append(warnings, fmt.Sprintf("LIGHTER_SCRAPE_TARGETS names %s more than once: the series of both have the same job and instance, and are mixed where they have the same name", address))
		}
	}
	if s.LogSource == sourceFile && s.Prom.URL != "" && len(s.ScrapeTargets) == 0 {
		warnings = append(warnings, "LIGHTER_LOG_SOURCE=file: nothing is scraped, because the Engine is not asked where containers are reached. Name them in LIGHTER_SCRAPE_TARGETS, or set LIGHTER_LOG_SOURCE=auto")
	}
	return warnings
}

// withoutPath removes the operation and the path from an error of package os. The caller adds both.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
