package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/common/model"

	"lighter/collector/scrape"
)

// FromEnv makes a plan of the environment. environ is in the form of os.Environ (where a
// name stands twice the last one counts, so that a flag can be appended as a variable);
// readFile reads the file that a NAME_FILE variable names. A variable set to nothing counts
// as not set, as compose files leave it.
//
// The warnings are one line each: variables of ours that do not exist, with the nearest
// name that does, and settings without effect. The error is one line too, and names every
// variable that is wrong with its value and what is accepted.
func FromEnv(environ []string, readFile func(path string) ([]byte, error)) (*Plan, []string, error) {
	s, warnings, err := ReadSettings(environ, readFile)
	if err != nil {
		return nil, warnings, err
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
	s := &Settings{Hostname: env.get("HOSTNAME")}
	var wrong []string
	for _, v := range all {
		if err := env.read(s, v); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) == 0 { // what does not parse cannot be compared either
		wrong = s.settle()
	}
	warnings := append(unknown(env.values, all), s.idle()...)
	if len(wrong) > 0 {
		return nil, warnings, errors.New(strings.Join(wrong, "; "))
	}
	return s, warnings, nil
}

type environment struct {
	values   map[string]string
	readFile func(path string) ([]byte, error)
}

// get returns a variable without the blanks and carriage returns that env files leave around it.
func (e environment) get(name string) string { return strings.TrimSpace(e.values[name]) }

// read takes one setting from the environment, or its default.
func (e environment) read(s *Settings, v setting) error {
	name := v.name
	if v.alias != "" && e.get(name) == "" {
		name = v.alias
	}
	if v.secret {
		return e.readSecret(s, v)
	}
	value := cmp.Or(e.get(name), v.value)
	if value == "" {
		return nil
	}
	if v.toCome != "" && !slices.Contains(v.nothing, value) {
		want := "leave it unset"
		if len(v.nothing) > 0 {
			want = "want " + strings.Join(v.nothing, " or ")
		}
		return fmt.Errorf("%s=%s: %s, %s still to come", name, shown(value), want, v.toCome)
	}
	if v.keep == nil {
		return nil
	}
	if err := v.keep(s, value); err != nil {
		return fmt.Errorf("%s=%s: %w", name, shown(value), err)
	}
	return nil
}

// readSecret takes a secret from its variable or from its file. Its value is in no error.
func (e environment) readSecret(s *Settings, v setting) error {
	file, path := v.name+"_FILE", e.get(v.name+"_FILE")
	value := strings.TrimRight(e.values[v.name], "\r\n")
	name := v.name
	switch {
	case value == "" && path == "":
		return nil
	case value != "" && path != "":
		return fmt.Errorf("%s and %s are both set: set one of them", v.name, file)
	case path != "":
		content, err := e.readFile(path)
		if err != nil {
			return fmt.Errorf("%s=%q: cannot read the secret: %w", file, path, withoutPath(err))
		}
		name = fmt.Sprintf("%s=%q", file, path)
		value = strings.TrimRight(string(content), "\r\n")
	}
	if value == "" {
		return fmt.Errorf("%s: the file is empty, want a secret", name)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("%s: want a secret of one line without control characters", name)
	}
	if err := v.keep(s, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
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
