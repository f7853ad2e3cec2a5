package config

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// FileMatch finds files. Each of its targets has a glob pattern in its label __path__, and one for files to
// exclude in __path_exclude__. FileMatch makes a target for each file, with the file's path in __path__.
type FileMatch struct {
	SyncPeriod      time.Duration // interval of searching
	IgnoreOlderThan time.Duration // skip files that have not changed for so long; 0 skips none
}

// FileSource reads the files in the label __path__ of its targets.
type FileSource struct {
	FromEnd      bool   // read a new file from its end
	Encoding     string // IANA name; empty means UTF-8
	MaxLineBytes int    // longer lines are cut

	Decompression string        // "gz", "bz2" or "z"; empty means none
	InitialDelay  time.Duration // delay before a compressed file is read

	MinPoll, MaxPoll time.Duration // interval of checking a file without new data

	// LegacyPositions is a positions file of Promtail or Alloy. It is read once, for files that have no
	// position yet.
	LegacyPositions string
}

// JournalSource reads the systemd journal.
type JournalSource struct {
	Path         string            // directory of the journal's files; if empty, the usual ones are tried
	MaxAge       time.Duration     // how far back a new journal is read
	Matches      string            // "FIELD=value" pairs, separated by spaces; + separates alternatives
	JSON         bool              // send all fields of an entry as a JSON object
	Labels       labels.Labels     // added to every entry before the rules
	Rules        []*relabel.Config // get the fields of an entry as __journal_… labels
	MaxLineBytes int
}

// SyslogSource listens for syslog messages.
type SyslogSource struct {
	Listeners []SyslogListener
	Rules     []*relabel.Config // get the properties of a message as __syslog_… labels
}

// SyslogListener is one address of a SyslogSource.
type SyslogListener struct {
	Address                   string
	Protocol                  string        // "tcp" or "udp"
	Format                    string        // "rfc5424", "rfc3164" or "raw"
	IdleTimeout               time.Duration // of a connection
	LabelStructuredData       bool
	Labels                    labels.Labels
	UseIncomingTimestamp      bool
	UseRFC5424Message         bool // send the whole message instead of its text
	RFC3164DefaultToYear      bool // add the current year to times without a year
	MaxMessageBytes           int
	NullDelimiter             bool // messages of the raw format end with a zero byte instead of a newline
	CertFile, KeyFile, CAFile string
	AllowEmpty                bool        // also send RFC 5424 messages without a text
	Cisco                     SyslogCisco // for RFC 3164
}

// SyslogCisco describes what precedes the time in messages of Cisco devices.
type SyslogCisco struct {
	MessageCounter, SequenceNumber, Hostname, SecondFractions bool
}

// PushSource receives entries by Loki's push API.
type PushSource struct {
	Listen               string // address and port
	Labels               labels.Labels
	Rules                []*relabel.Config
	UseIncomingTimestamp bool
	MaxBodyBytes         int64
}

// AgentLog sends the lines of the agent's own log.
type AgentLog struct{}

// Echo writes the entries that it receives to the agent's own log.
type Echo struct{}

// RelabelStreams is a stage that changes the labels of streams by its rules, and drops the entries of
// streams that a rule drops.
type RelabelStreams struct {
	Rules []*relabel.Config
}

// MetricRelabel changes the labels of series by its rules, and sends on the samples that no rule drops.
type MetricRelabel struct {
	Rules []*relabel.Config
}
