package alloy

import (
	"errors"
	"fmt"
	"time"

	"lighter/config"
)

// LokiSourceFile are the arguments of loki.source.file.
type LokiSourceFile struct {
	Targets              []Target       `alloy:"targets,attr"`
	ForwardTo            []LogsReceiver `alloy:"forward_to,attr"`
	Encoding             string         `alloy:"encoding,attr,optional"`
	Decompression        Decompression  `alloy:"decompression,block,optional"`
	FileWatch            FileWatch      `alloy:"file_watch,block,optional"`
	FileMatch            FileMatch      `alloy:"file_match,block,optional"`
	TailFromEnd          bool           `alloy:"tail_from_end,attr,optional"`
	LegacyPositionsFile  string         `alloy:"legacy_positions_file,attr,optional"`
	OnPositionsFileError string         `alloy:"on_positions_file_error,attr,optional"`
}

// FileWatch is a file_watch block.
type FileWatch struct {
	MinPollFrequency time.Duration `alloy:"min_poll_frequency,attr,optional"`
	MaxPollFrequency time.Duration `alloy:"max_poll_frequency,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *FileWatch) SetToDefault() {
	*a = FileWatch{MinPollFrequency: 250 * time.Millisecond, MaxPollFrequency: 250 * time.Millisecond}
}

// FileMatch is a file_match block.
type FileMatch struct {
	Enabled         bool          `alloy:"enabled,attr,optional"`
	SyncPeriod      time.Duration `alloy:"sync_period,attr,optional"`
	IgnoreOlderThan time.Duration `alloy:"ignore_older_than,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *FileMatch) SetToDefault() { *a = FileMatch{SyncPeriod: defaultSyncPeriod} }

// Validate reports the errors that Alloy reports.
func (a *FileMatch) Validate() error {
	if a.SyncPeriod <= 0 {
		return errors.New("sync_period must be above 0")
	}
	return nil
}

// Decompression is a decompression block.
type Decompression struct {
	Enabled      bool          `alloy:"enabled,attr"`
	InitialDelay time.Duration `alloy:"initial_delay,attr,optional"`
	Format       string        `alloy:"format,attr"`
}

// Validate reports a format that cannot be read.
func (a *Decompression) Validate() error {
	switch a.Format {
	case "gz", "z", "bz2":
		return nil
	}
	return fmt.Errorf(`there is no format %q; the formats are "bz2", "gz" and "z"`, a.Format)
}

// SetToDefault sets Alloy's defaults.
func (a *LokiSourceFile) SetToDefault() {
	*a = LokiSourceFile{OnPositionsFileError: restartFromBeginning}
	a.FileWatch.SetToDefault()
	a.FileMatch.SetToDefault()
}

const restartFromBeginning = "restart_from_beginning"

// Validate reports the errors that Alloy reports.
func (a *LokiSourceFile) Validate() error {
	switch a.OnPositionsFileError {
	case "skip", "restart_from_end", restartFromBeginning:
		return nil
	}
	return fmt.Errorf(`on_positions_file_error: there is no %q; the values are "skip", "restart_from_end" and %q`, a.OnPositionsFileError, restartFromBeginning)
}

var lokiSourceFile = kindOf(func(b *builder, a *LokiSourceFile) map[string]any {
	to := logNodes(a.ForwardTo)
	if len(to) == 0 {
		b.noReceiver("forward_to")
		return nil
	}
	from := b.from(a.Targets)
	if len(from) == 0 {
		b.noTargets("targets")
		return nil
	}
	if a.FileMatch.Enabled {
		from = []string{b.add(config.Node{Name: b.name("file_match"), From: from, Args: config.FileMatch{
			SyncPeriod:      a.FileMatch.SyncPeriod,
			IgnoreOlderThan: a.FileMatch.IgnoreOlderThan,
		}})}
	}
	c := config.FileSource{
		FromEnd:         a.TailFromEnd,
		Encoding:        a.Encoding,
		MaxLineBytes:    b.l.MaxLineBytes,
		MinPoll:         a.FileWatch.MinPollFrequency,
		MaxPoll:         a.FileWatch.MaxPollFrequency,
		LegacyPositions: a.LegacyPositionsFile,
	}
	if a.Decompression.Enabled {
		c.Decompression = a.Decompression.Format
		c.InitialDelay = a.Decompression.InitialDelay
	}
	b.add(config.Node{Name: b.name(""), From: from, To: to, Args: c})
	return nil
}).without(map[string]string{
	"on_positions_file_error": "a lost position is found again by the file's content, or the file is read from its beginning",
})
