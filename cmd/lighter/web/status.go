package web

import (
	"slices"
	"time"
)

// Source is the agent as its server sees it. Both methods are called from the
// goroutines of requests, often and side by side, and must not wait for anything
// outside the process.
type Source interface {
	// Status returns what the agent does now. The caller owns the answer's slices.
	Status() Status

	// Ready returns the checks of /ready in no particular order.
	Ready() []Check
}

// Check is one line of /ready.
type Check struct {
	Name string // "docker", "logs", "metrics"
	Fail string // why it fails and what to do; empty while it is well, or while there is nothing to check
}

// Status is what /api/v1/status answers and the page shows.
type Status struct {
	Time        time.Time   `json:"time"` // of this answer; ages are counted from it
	Version     string      `json:"version"`
	Commit      string      `json:"commit,omitempty"`
	Started     time.Time   `json:"started"`
	Environment string      `json:"environment"`
	Host        string      `json:"host"`
	LocalMode   bool        `json:"localMode"` // no backend is set: lines and samples stay here
	Docker      Docker      `json:"docker"`
	Containers  []Container `json:"containers"`
	Targets     []Target    `json:"targets"`
	Endpoints   []Endpoint  `json:"endpoints"`
	Lines       []Line      `json:"lines,omitempty"`   // the newest last, in local mode alone
	Samples     []Sample    `json:"samples,omitempty"` // likewise
}

// Docker is the Engine that is asked.
type Docker struct {
	Host          string    `json:"host"` // as DOCKER_HOST writes it, or its data directory where that is read instead
	Reachable     bool      `json:"reachable"`
	Since         time.Time `json:"since,omitzero"` // of the last change of Reachable
	APIVersion    string    `json:"apiVersion,omitempty"`
	EngineVersion string    `json:"engineVersion,omitempty"`
	Error         string    `json:"error,omitempty"`
}

// Container is one container whose log is followed, or why it is not.
type Container struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Service   string            `json:"service"`
	Labels    map[string]string `json:"labels"` // of its streams, without stream
	Source    string            `json:"source"` // "socket" or "file"
	State     string            `json:"state"`  // "following", "waiting", "ended", "unreadable", …
	Read      int64             `json:"linesRead"`
	Delivered int64             `json:"linesDelivered"`
	Position  time.Time         `json:"position,omitzero"` // time of the last delivered line
	Lag       float64           `json:"lagSeconds"`        // from the newest line read to Position
	Error     string            `json:"lastError,omitempty"`
}

// Target is one address that is scraped.
type Target struct {
	URL       string            `json:"url"` // without user info
	Job       string            `json:"job"`
	Labels    map[string]string `json:"labels"`
	Health    string            `json:"health"` // "up", "down", or "unknown" before the first scrape
	LastTime  time.Time         `json:"lastScrape,omitzero"`
	Duration  float64           `json:"lastScrapeSeconds"`
	Samples   int64             `json:"lastScrapeSamples"`
	LastError string            `json:"lastError,omitempty"`
}

// Endpoint is one backend.
type Endpoint struct {
	Name         string           `json:"name"`
	Kind         string           `json:"kind"` // "loki" or "remote_write"
	URL          string           `json:"url"`  // without user info
	Up           bool             `json:"up"`
	Since        time.Time        `json:"since,omitzero"` // of the last change of Up
	Waiting      int64            `json:"waiting"`        // entries or samples
	WaitingBytes int64            `json:"waitingBytes"`
	Delivered    int64            `json:"delivered"`         // entries or samples
	Dropped      map[string]int64 `json:"dropped,omitempty"` // by reason
	LastError    string           `json:"lastError,omitempty"`
}

// Line is a log line that local mode keeps.
type Line struct {
	Time   time.Time         `json:"time"`
	Labels map[string]string `json:"labels"`
	Text   string            `json:"line"`
}

// Sample is a sample that local mode keeps.
type Sample struct {
	Time   time.Time `json:"time"`
	Series string    `json:"series"` // as PromQL writes it
	Value  string    `json:"value"`  // text, because JSON has no NaN and no infinity
}

// ordered returns the status with its lists in a stable order and none of them nil, so
// that a reader of the JSON finds arrays and a diff of two answers shows changes alone.
func (s Status) ordered() Status {
	s.Containers = sortedBy(s.Containers, func(c Container) []string { return []string{c.Service, c.Name, c.ID} })
	s.Targets = sortedBy(s.Targets, func(t Target) []string { return []string{t.Job, t.URL} })
	s.Endpoints = sortedBy(s.Endpoints, func(e Endpoint) []string { return []string{e.Kind, e.Name} })
	return s
}

func sortedBy[T any](list []T, key func(T) []string) []T {
	list = append([]T{}, list...)
	slices.SortStableFunc(list, func(a, b T) int { return slices.Compare(key(a), key(b)) })
	return list
}
