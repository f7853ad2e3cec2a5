package config

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// FileMatch finds files: each of its targets names them by a glob pattern in its label __path__, and those
// to leave out by one in __path_exclude__. It gives a target for each file, with the file's path in __path__.
type FileMatch struct {
	SyncPeriod      time.Duration // between two looks
	IgnoreOlderThan time.Duration // files that were not changed for so long are left out; 0 leaves out none
}

// FileSource reads the files that the label __path__ of its targets names.
type FileSource struct {
	FromEnd      bool   // a file that is seen for the first time is read from its end
	Encoding     string // as the IANA calls it; empty is UTF-8
	MaxLineBytes int    // a longer line is cut there

	Decompression string        // "gz", "bz2" or "z"; empty reads files as they are
	InitialDelay  time.Duration // before a compressed file is read

	MinPoll, MaxPoll time.Duration // between two looks at a file that has nothing new

	// LegacyPositions is a file of positions that Promtail or Alloy wrote. It is read once, for files that
	// have no position yet.
	LegacyPositions string
}

// JournalSource reads the journal of systemd.
type JournalSource struct {
	Path         string            // the directory of the journal's files; empty tries the usual ones
	MaxAge       time.Duration     // how far back the first sight of the journal reads
	Matches      string            // "FIELD=value" pairs, separated by spaces; + separates alternatives
	JSON         bool              // an entry's line is all its fields as a JSON object
	Labels       labels.Labels     // on every entry, before the rules
	Rules        []*relabel.Config // see the fields of an entry as __journal_… labels
	MaxLineBytes int
}

// SyslogSource listens for syslog messages.
type SyslogSource struct {
	Listeners []SyslogListener
	Rules     []*relabel.Config // see what a message says of itself as __syslog_… labels
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
	UseRFC5424Message         bool // the line is the whole message and not its text alone
	RFC3164DefaultToYear      bool // the current year is added to times that have none
	MaxMessageBytes           int
	NullDelimiter             bool // messages of the raw format end with a zero byte and not with a newline
	CertFile, KeyFile, CAFile string
	AllowEmpty                bool        // messages of RFC 5424 without a text are sent, too
	Cisco                     SyslogCisco // of RFC 3164
}

// SyslogCisco says what the messages of a device of Cisco have before their time.
type SyslogCisco struct {
	MessageCounter, SequenceNumber, Hostname, SecondFractions bool
}

// PushSource takes entries by Loki's push API.
type PushSource struct {
	Listen               string // address and port
	Labels               labels.Labels
	Rules                []*relabel.Config
	UseIncomingTimestamp bool
	MaxBodyBytes         int64
}

// AgentLog gives the lines of the agent's own log.
type AgentLog struct{}

// Echo writes the entries that it takes to the agent's own log.
type Echo struct{}

// RelabelStreams is a stage that changes the labels of streams by its rules, and drops the entries of those
// that a rule drops.
type RelabelStreams struct {
	Rules []*relabel.Config
}

// MetricRelabel takes samples, changes the labels of their series by its rules, and sends on what no rule drops.
type MetricRelabel struct {
	Rules []*relabel.Config
}
