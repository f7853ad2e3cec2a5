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

// FromEnv makes a plan of the environment. environ is in the form of os.Environ (where a
// name stands twice the last one counts, so that a flag can be appended as a variable);
// readFile reads the file that a NAME_FILE variable names. A variable set to nothing counts
// as not set, as compose files leave it.
//
// The warnings are one line each: variables that look like settings and are none, with the
// nearest name that is, values that were not read as they stand, and settings without effect.
// The error is one line too, and names every variable that is wrong with its value and what is
// accepted. With an error there are no warnings: whoever has to mend it reads that line alone.
func FromEnv(environ []string, readFile func(path string) ([]byte, error)) (*config.Plan, []string, error) {
	s, warnings, err := ReadSettings(environ, readFile)
	if err != nil {
		return nil, nil, err
	}
	return s.Plan(), warnings, nil
}

// ReadSettings is the first half of FromEnv: the values, before they become a plan.
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
			continue // it is read elsewhere, as it stands
		}
		if err := env.read(s, v); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) == 0 { // what does not parse cannot be compared either
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
	warnings []string // about values that were not read as they stand
}

// get returns a variable's value without quotes and blanks around it, and warns if there were any.
func (e *environment) get(name string) string {
	value, removed := cleaned(e.values[name])
	if len(removed) > 0 {
		e.warnings = append(e.warnings, cleanedWarning(name, removed))
	}
	return value
}

// read takes one setting from the environment, or its default.
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

// find returns what the environment gives a setting, from its variable or from the file that
// NAME_FILE names; nothing if it is not set. from says where that was for an error. It holds
// the value only if that came from a variable and is no secret: a file may be the wrong one. A path
// that is not absolute may be the secret itself.
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

// content returns what a file holds. Its errors say neither the path nor anything of what it holds.
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

// settle fills in what depends on more than one variable, and says what does not fit together.
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

// idle says which settings have no effect for want of another. With neither backend set
// there is a local mode, where all that is collected is shown.
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

// withoutPath takes the operation and the path off an error of package os; the caller says both.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
