package web

import (
	"slices"
	"time"
)

// Source is the agent as seen by its server. Requests call both methods from their own goroutines, often
// and concurrently. The methods must not wait for anything outside the process.
type Source interface {
	// Status returns the agent's present state. The caller owns its slices.
	Status() Status

	// Ready returns the checks of /ready in any order.
	Ready() []Check
}

// Check is the result of one of the checks of /ready.
type Check struct {
	Name string // "docker", "logs", "metrics"
	Fail string // why the check fails and what to do, or empty; also empty if there is nothing to check
}

// Status is what /api/v1/status serves and the page shows.
type Status struct {
	Time        time.Time   `json:"time"` // when the Status was made; ages are relative to it
	Version     string      `json:"version"`
	Commit      string      `json:"commit,omitempty"`
	Started     time.Time   `json:"started"`
	Environment string      `json:"environment"`
	Host        string      `json:"host"`
	LocalMode   bool        `json:"localMode"` // lines and samples are only shown, because no backend is set
	Docker      Docker      `json:"docker"`
	Containers  []Container `json:"containers"`
	Skipped     []Skipped   `json:"skipped,omitempty"` // containers whose logs are not shipped
	Sources     []LogSource `json:"sources,omitempty"` // logs that are not containers' logs
	Targets     []Target    `json:"targets"`
	Endpoints   []Endpoint  `json:"endpoints"`
	Filtered    []Filtered  `json:"filtered,omitempty"` // sorted by dropped bytes, most first
	Budget      Budget      `json:"budget"`
	Lines       []Line      `json:"lines,omitempty"`   // newest last; only in local mode
	Samples     []Sample    `json:"samples,omitempty"` // newest last; only in local mode
}

// Docker is the Engine whose containers the agent finds.
type Docker struct {
	Host          string    `json:"host"` // its address, or its data directory if that is read instead
	Reachable     bool      `json:"reachable"`
	Since         time.Time `json:"since,omitzero"` // when Reachable last changed
	APIVersion    string    `json:"apiVersion,omitempty"`
	EngineVersion string    `json:"engineVersion,omitempty"`
	Error         string    `json:"error,omitempty"`
}

// Container is a container with its log's state, or the reason why its log is not followed.
type Container struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Service   string            `json:"service"`
	Labels    map[string]string `json:"labels"` // of its streams, without the label stream
	Source    string            `json:"source"` // "socket" or "file"
	State     string            `json:"state"`  // "following", "waiting", "ended", "unreadable", …
	Read      int64             `json:"linesRead"`
	Delivered int64             `json:"linesDelivered"`
	Position  time.Time         `json:"position,omitzero"` // time of the last line that was delivered or refused for good
	Lag       float64           `json:"lagSeconds"`        // time between Position and the newest line that was read
	Reason    string            `json:"reason,omitempty"`  // why nothing of the log is read
	Error     string            `json:"lastError,omitempty"`
}

// Skipped is a container whose log is not shipped, and why.
type Skipped struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// LogSource is a log that is not a container's, or a listener.
type LogSource struct {
	Kind      string            `json:"kind"`             // "file", "journal", "syslog", "push" or "agent"
	Name      string            `json:"name"`             // a file's path, or the addresses of a listener
	Node      string            `json:"node"`             // of the plan
	To        []string          `json:"to"`               // the endpoints that get the lines
	Labels    map[string]string `json:"labels,omitempty"` // of its stream, if it has one
	State     string            `json:"state"`            // as a container's
	Read      int64             `json:"linesRead"`
	Delivered int64             `json:"linesDelivered"`
	Position  time.Time         `json:"position,omitzero"` // as a container's
	Lag       float64           `json:"lagSeconds"`
	Error     string            `json:"lastError,omitempty"`
}

// Target is an address that is scraped.
type Target struct {
	URL       string            `json:"url"` // without user info
	Job       string            `json:"job"`
	Labels    map[string]string `json:"labels"`
	Health    string            `json:"health"` // "up", "down", or "unknown" before the first scrape
	LastTime  time.Time         `json:"lastScrape,omitzero"`
	Duration  float64           `json:"lastScrapeSeconds"`
	Samples   int64             `json:"lastScrapeSamples"`
	LastError string            `json:"lastError,omitempty"`
	Warning   string            `json:"warning,omitempty"`   // which samples the last scrape dropped, and why
	Endpoints []string          `json:"endpoints,omitempty"` // names of the endpoints that get its samples, if there are several
}

// Endpoint is a backend to which lines or samples are sent.
type Endpoint struct {
	Name         string           `json:"name"`
	Kind         string           `json:"kind"` // "loki" or "remote_write"
	URL          string           `json:"url"`  // without user info
	Up           bool             `json:"up"`
	Since        time.Time        `json:"since,omitzero"` // since when it has taken nothing; zero while Up is set
	Waiting      int64            `json:"waiting"`        // entries or samples
	WaitingBytes int64            `json:"waitingBytes"`
	Delivered    int64            `json:"delivered"`          // entries or samples
	Dropped      map[string]int64 `json:"dropped,omitempty"`  // by reason
	NotReady     string           `json:"notReady,omitempty"` // why it fails a check of /ready, and what to do
	LastError    string           `json:"lastError,omitempty"`
	HeldStreams  int              `json:"heldStreams,omitempty"` // how many streams wait because the backend refuses them for now
	Held         []HeldStream     `json:"held,omitempty"`        // the first of them, in the order in which they are tried again
}

// Unused reports whether nothing has been sent to the backend yet, so that Up says nothing.
func (e Endpoint) Unused() bool {
	return e.Up && e.Delivered == 0 && len(e.Dropped) == 0 && e.HeldStreams == 0 && e.LastError == ""
}

// HeldStream is a stream that a backend refuses for now. Its entries wait while all other streams go on.
type HeldStream struct {
	Labels       string    `json:"labels"` // in the notation of LogQL
	Tenant       string    `json:"tenant,omitempty"`
	Waiting      int64     `json:"waiting"` // entries
	WaitingBytes int64     `json:"waitingBytes"`
	Since        time.Time `json:"since"`                // when the oldest of them began to wait
	NextAttempt  time.Time `json:"nextAttempt,omitzero"` // when they are sent again; absent if that is now
	Reason       string    `json:"reason"`               // the backend's words, without secrets and shortened
}

// Filtered is what rules have dropped of a service's log since the agent started.
type Filtered struct {
	Service string  `json:"service"`
	Lines   int64   `json:"lines"`
	Bytes   int64   `json:"bytes"`
	Share   float64 `json:"share"` // of the bytes of the log, 0 to 1
}

// Budget is the volume sent, and the budget for it.
type Budget struct {
	Month        string          `json:"month"` // such as 2026-11, in UTC
	Since        time.Time       `json:"since,omitzero"`
	LogBytes     int64           `json:"logBytes"`          // sent this month
	LogProjected int64           `json:"logBytesProjected"` // at the end of the month
	LogLimit     int64           `json:"logBytesLimit,omitempty"`
	Services     []BudgetService `json:"services,omitempty"` // those that send most, largest first
	Series       int             `json:"series"`             // the number that counts: the larger of the two below
	ActiveSeries int             `json:"activeSeries"`
	DataPoints   int             `json:"dataPointsPerMinute"`
	SeriesLimit  int             `json:"seriesLimit,omitempty"`
	Targets      []BudgetTarget  `json:"targets,omitempty"` // those with the most series, largest first
	TopMetrics   []BudgetMetric  `json:"metrics,omitempty"` // those with the most series, largest first
}

// BudgetService is a service and its volume this month.
type BudgetService struct {
	Name      string  `json:"name"`
	Bytes     int64   `json:"bytes"`
	Share     float64 `json:"share"` // of what all services sent, 0 to 1
	Projected int64   `json:"bytesProjected"`
}

// BudgetTarget is a target and its volume.
type BudgetTarget struct {
	Name       string `json:"name"`
	Series     int    `json:"activeSeries"`
	DataPoints int    `json:"dataPointsPerMinute"`
}

// BudgetMetric is the name of a metric and the number of its series.
type BudgetMetric struct {
	Name   string `json:"name"`
	Series int    `json:"series"`
}

// Line is a log line that local mode shows.
type Line struct {
	Time   time.Time         `json:"time"`
	Labels map[string]string `json:"labels"`
	Text   string            `json:"line"`
}

// Sample is a sample that local mode shows.
type Sample struct {
	Time   time.Time `json:"time"`
	Series string    `json:"series"` // in the notation of PromQL
	Value  string    `json:"value"`  // a text, because JSON has neither NaN nor infinity
}

// ordered returns the status with its lists in a stable order and never nil. The JSON then always has
// arrays, and a diff of two responses shows only changes.
func (s Status) ordered() Status {
	s.Containers = sortedBy(s.Containers, func(c Container) []string { return []string{c.Service, c.Name, c.ID} })
	if len(s.Skipped) > 0 {
		s.Skipped = sortedBy(s.Skipped, func(c Skipped) []string { return []string{c.Name, c.ID} })
	}
	if len(s.Sources) > 0 {
		s.Sources = sortedBy(s.Sources, func(o LogSource) []string { return append([]string{o.Kind, o.Name, o.Node}, o.To...) })
	}
	s.Targets = sortedBy(s.Targets, func(t Target) []string { return []string{t.Job, t.URL} })
	s.Endpoints = sortedBy(s.Endpoints, func(e Endpoint) []string { return []string{e.Kind, e.Name} })
	return s
}

func sortedBy[T any](list []T, key func(T) []string) []T {
	list = append([]T{}, list...)
	slices.SortStableFunc(list, func(a, b T) int { return slices.Compare(key(a), key(b)) })
	return list
}
