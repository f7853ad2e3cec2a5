package process

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alecthomas/units"
)

// Arguments are the contents of a loki.process block, without forward_to.
type Arguments struct {
	Stages []Stage `alloy:"stage,enum,optional"`
}

// Stage is one stage.* block: the one field that is not nil.
type Stage struct {
	CRI                    *CRI                    `alloy:"cri,block,optional"`
	Decolorize             *Decolorize             `alloy:"decolorize,block,optional"`
	Docker                 *Docker                 `alloy:"docker,block,optional"`
	Drop                   *Drop                   `alloy:"drop,block,optional"`
	EventLogMessage        *EventLogMessage        `alloy:"eventlogmessage,block,optional"`
	GeoIP                  *GeoIP                  `alloy:"geoip,block,optional"`
	JSON                   *JSON                   `alloy:"json,block,optional"`
	LabelDrop              *LabelDrop              `alloy:"label_drop,block,optional"`
	LabelKeep              *LabelKeep              `alloy:"label_keep,block,optional"`
	Labels                 *Labels                 `alloy:"labels,block,optional"`
	Limit                  *Limit                  `alloy:"limit,block,optional"`
	Logfmt                 *Logfmt                 `alloy:"logfmt,block,optional"`
	Luhn                   *Luhn                   `alloy:"luhn,block,optional"`
	Match                  *Match                  `alloy:"match,block,optional"`
	Metrics                *Metrics                `alloy:"metrics,block,optional"`
	Multiline              *Multiline              `alloy:"multiline,block,optional"`
	Output                 *Output                 `alloy:"output,block,optional"`
	Pack                   *Pack                   `alloy:"pack,block,optional"`
	Pattern                *Pattern                `alloy:"pattern,block,optional"`
	Regex                  *Regex                  `alloy:"regex,block,optional"`
	Replace                *Replace                `alloy:"replace,block,optional"`
	Sampling               *Sampling               `alloy:"sampling,block,optional"`
	SplitJSON              *SplitJSON              `alloy:"split_json,block,optional"`
	StaticLabels           *StaticLabels           `alloy:"static_labels,block,optional"`
	StructuredMetadata     *StructuredMetadata     `alloy:"structured_metadata,block,optional"`
	StructuredMetadataDrop *StructuredMetadataDrop `alloy:"structured_metadata_drop,block,optional"`
	Template               *Template               `alloy:"template,block,optional"`
	Tenant                 *Tenant                 `alloy:"tenant,block,optional"`
	Timestamp              *Timestamp              `alloy:"timestamp,block,optional"`
	Truncate               *Truncate               `alloy:"truncate,block,optional"`
	WindowsEvent           *WindowsEvent           `alloy:"windowsevent,block,optional"`
}

// CRI is stage.cri: it parses the lines of a CRI log file.
type CRI struct {
	MaxPartialLines            int    `alloy:"max_partial_lines,attr,optional"`
	MaxPartialLineSize         uint64 `alloy:"max_partial_line_size,attr,optional"`
	MaxPartialLineSizeTruncate bool   `alloy:"max_partial_line_size_truncate,attr,optional"`
}

// SetToDefault implements syntax.Defaulter.
func (a *CRI) SetToDefault() { *a = CRI{MaxPartialLines: 100} }

// Validate implements syntax.Validator.
func (a *CRI) Validate() error {
	if a.MaxPartialLines <= 0 {
		return errors.New("max_partial_lines must be greater than 0")
	}
	return nil
}

// Decolorize is stage.decolorize: it removes ANSI escape sequences from lines.
type Decolorize struct{}

// Docker is stage.docker: it parses the lines of a json-file log.
type Docker struct{}

// Drop is stage.drop: it drops the entries that meet all of its conditions.
type Drop struct {
	DropReason string           `alloy:"drop_counter_reason,attr,optional"`
	Source     string           `alloy:"source,attr,optional"`
	Value      string           `alloy:"value,attr,optional"`
	Separator  string           `alloy:"separator,attr,optional"`
	Expression string           `alloy:"expression,attr,optional"`
	OlderThan  time.Duration    `alloy:"older_than,attr,optional"`
	LongerThan units.Base2Bytes `alloy:"longer_than,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Drop) Validate() error {
	switch {
	case a.Source == "" && a.Expression == "" && a.OlderThan == 0 && a.LongerThan == 0 && a.Value == "":
		return errors.New("stage.drop needs at least one of source, expression, older_than and longer_than")
	case a.Value != "" && a.Expression != "":
		return errors.New("value and expression exclude each other")
	case a.Value != "" && a.Source == "":
		return errors.New("value needs a source to compare with")
	}
	return checkRegexp("expression", a.Expression)
}

// GeoIP is stage.geoip: it looks an address up in a MaxMind database.
type GeoIP struct {
	DB            string            `alloy:"db,attr"`
	Source        *string           `alloy:"source,attr"`
	DBType        string            `alloy:"db_type,attr,optional"`
	CustomLookups map[string]string `alloy:"custom_lookups,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *GeoIP) Validate() error {
	switch {
	case a.DB == "":
		return errors.New("db must not be empty: it is the path of a database file")
	case a.Source != nil && *a.Source == "":
		return errEmptySource
	case a.DBType == "" && a.CustomLookups == nil:
		return errors.New("stage.geoip needs db_type or custom_lookups")
	case !slices.Contains([]string{"", "city", "asn", "country"}, a.DBType):
		return fmt.Errorf("db_type is %q, want \"city\", \"asn\" or \"country\"", a.DBType)
	}
	return checkPaths("custom_lookups", a.CustomLookups)
}

// JSON is stage.json: it extracts values from JSON.
type JSON struct {
	Expressions   map[string]string `alloy:"expressions,attr,optional"`
	Regex         string            `alloy:"regex,attr,optional"`
	Source        *string           `alloy:"source,attr,optional"`
	DropMalformed bool              `alloy:"drop_malformed,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *JSON) Validate() error {
	switch {
	case len(a.Expressions) == 0 && a.Regex == "":
		return errors.New("stage.json needs expressions or regex")
	case a.Source != nil && *a.Source == "":
		return errEmptySource
	}
	if err := checkPaths("expressions", a.Expressions); err != nil {
		return err
	}
	return checkRegexp("regex", a.Regex)
}

// LabelDrop is stage.label_drop: it removes labels.
type LabelDrop struct {
	Values []string `alloy:"values,attr"`
}

// Validate implements syntax.Validator.
func (a *LabelDrop) Validate() error { return checkNotEmpty(a.Values) }

// LabelKeep is stage.label_keep: it removes all other labels.
type LabelKeep struct {
	Values []string `alloy:"values,attr"`
}

// Validate implements syntax.Validator.
func (a *LabelKeep) Validate() error { return checkNotEmpty(a.Values) }

// SourceType names where a value comes from.
type SourceType string

// The values of SourceType.
const (
	SourceLine               SourceType = "line"
	SourceLabel              SourceType = "label"
	SourceStructuredMetadata SourceType = "structured_metadata"
	SourceExtracted          SourceType = "extracted"
)

// MarshalText implements encoding.TextMarshaler.
func (t SourceType) MarshalText() ([]byte, error) { return []byte(t), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *SourceType) UnmarshalText(text []byte) error {
	switch named := SourceType(text); named {
	case SourceLine, SourceLabel, SourceStructuredMetadata, SourceExtracted:
		*t = named
		return nil
	}
	return fmt.Errorf("source_type is %q, want %q, %q, %q or %q", text, SourceLine, SourceLabel, SourceStructuredMetadata, SourceExtracted)
}

// Labels is stage.labels: it turns extracted values into labels.
type Labels struct {
	Values     map[string]*string `alloy:"values,attr"`
	SourceType SourceType         `alloy:"source_type,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Labels) Validate() error {
	if a.SourceType != "" && a.SourceType != SourceExtracted && a.SourceType != SourceStructuredMetadata {
		return fmt.Errorf("source_type is %q, want %q or %q", a.SourceType, SourceExtracted, SourceStructuredMetadata)
	}
	if a.Values == nil {
		return errors.New("values must not be null")
	}
	return checkLabelNames(a.Values)
}

// Limit is stage.limit: it limits the number of entries per second.
type Limit struct {
	Rate              float64 `alloy:"rate,attr"`
	Burst             int     `alloy:"burst,attr"`
	Drop              bool    `alloy:"drop,attr,optional"`
	ByLabelName       string  `alloy:"by_label_name,attr,optional"`
	MaxDistinctLabels int     `alloy:"max_distinct_labels,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Limit) Validate() error {
	switch {
	case !(a.Rate > 0) || a.Burst <= 0:
		return errors.New("rate and burst must be greater than 0")
	case a.ByLabelName != "" && !a.Drop:
		return errors.New("by_label_name needs drop = true")
	}
	return nil
}

// Logfmt is stage.logfmt: it extracts values from logfmt.
type Logfmt struct {
	Mapping map[string]string `alloy:"mapping,attr,optional"`
	Source  string            `alloy:"source,attr,optional"`
	Regex   string            `alloy:"regex,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Logfmt) Validate() error {
	if len(a.Mapping) == 0 && a.Regex == "" {
		return errors.New("stage.logfmt needs mapping or regex")
	}
	return checkRegexp("regex", a.Regex)
}

// Luhn is stage.luhn: it replaces numbers that pass the Luhn check, such as those of payment cards.
type Luhn struct {
	Replacement string  `alloy:"replacement,attr,optional"`
	Source      *string `alloy:"source,attr,optional"`
	MinLength   int     `alloy:"min_length,attr,optional"`
	Delimiters  string  `alloy:"delimiters,attr,optional"`
	SkipRegex   string  `alloy:"skip_regex,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Luhn) Validate() error {
	if a.Source != nil && *a.Source == "" {
		return errEmptySource
	}
	return checkRegexp("skip_regex", a.SkipRegex)
}

// Match is stage.match: it applies stages to, or drops, the entries that its selector matches.
type Match struct {
	Selector     string  `alloy:"selector,attr"`
	Stages       []Stage `alloy:"stage,enum,optional"`
	Action       string  `alloy:"action,attr,optional"`
	PipelineName string  `alloy:"pipeline_name,attr,optional"`
	DropReason   string  `alloy:"drop_counter_reason,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Match) Validate() error {
	switch {
	case a.Selector == "":
		return errors.New("selector must not be empty")
	case a.Action != "" && a.Action != "keep" && a.Action != "drop":
		return fmt.Errorf("action is %q, want \"keep\" or \"drop\"", a.Action)
	case a.Action == "drop" && len(a.Stages) > 0:
		return errors.New("stage.match with action = \"drop\" must not have stages")
	case a.Action != "drop" && len(a.Stages) == 0:
		return errors.New("stage.match needs at least one stage, or action = \"drop\"")
	}
	_, err := parseSelector(a.Selector)
	return err
}

// Multiline is stage.multiline: it joins a first line and the lines after it into one entry.
type Multiline struct {
	FirstLine    string        `alloy:"firstline,attr"`
	MaxLines     uint64        `alloy:"max_lines,attr,optional"`
	MaxWaitTime  time.Duration `alloy:"max_wait_time,attr,optional"`
	TrimNewlines bool          `alloy:"trim_newlines,attr,optional"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Multiline) SetToDefault() {
	*a = Multiline{MaxLines: 128, MaxWaitTime: 3 * time.Second, TrimNewlines: true}
}

// Validate implements syntax.Validator.
func (a *Multiline) Validate() error {
	switch {
	case a.MaxWaitTime <= 0:
		return errors.New("max_wait_time must be greater than 0")
	case a.FirstLine == "":
		return errors.New("firstline must not be empty: it is the regular expression of an entry's first line")
	}
	return checkRegexp("firstline", a.FirstLine)
}

// Output is stage.output: it replaces the line by an extracted value.
type Output struct {
	Source string `alloy:"source,attr"`
}

// Validate implements syntax.Validator.
func (a *Output) Validate() error {
	if a.Source == "" {
		return errEmptySource
	}
	return nil
}

// Pack is stage.pack: it replaces the line by a JSON object of the line and some labels.
type Pack struct {
	Labels          []string `alloy:"labels,attr"`
	IngestTimestamp bool     `alloy:"ingest_timestamp,attr,optional"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Pack) SetToDefault() { *a = Pack{IngestTimestamp: true} }

// Pattern is stage.pattern: it extracts values with a LogQL pattern.
type Pattern struct {
	Pattern          string  `alloy:"pattern,attr"`
	Source           *string `alloy:"source,attr,optional"`
	LabelsFromGroups bool    `alloy:"labels_from_groups,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Pattern) Validate() error {
	if a.Source != nil && *a.Source == "" {
		return errEmptySource
	}
	_, err := parsePattern(a.Pattern)
	return err
}

// Regex is stage.regex: it extracts the named groups of a regular expression.
type Regex struct {
	Expression       string  `alloy:"expression,attr"`
	Source           *string `alloy:"source,attr,optional"`
	LabelsFromGroups bool    `alloy:"labels_from_groups,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Regex) Validate() error {
	switch {
	case a.Expression == "":
		return errors.New("expression must not be empty")
	case a.Source != nil && *a.Source == "":
		return errEmptySource
	}
	return checkRegexp("expression", a.Expression)
}

// Replace is stage.replace: it replaces what the groups of a regular expression match.
type Replace struct {
	Expression string `alloy:"expression,attr"`
	Source     string `alloy:"source,attr,optional"`
	Replace    string `alloy:"replace,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Replace) Validate() error {
	if a.Expression == "" {
		return errors.New("expression must not be empty")
	}
	if _, err := parseTemplate(a.Replace); err != nil {
		return fmt.Errorf("replace is no template: %w", err)
	}
	return checkRegexp("expression", a.Expression)
}

// Sampling is stage.sampling: it keeps a share of the entries.
type Sampling struct {
	DropReason string  `alloy:"drop_counter_reason,attr,optional"`
	Rate       float64 `alloy:"rate,attr"`
}

// SetToDefault implements syntax.Defaulter.
func (a *Sampling) SetToDefault() { *a = Sampling{DropReason: "sampling_stage"} }

// Validate implements syntax.Validator.
func (a *Sampling) Validate() error {
	if !(a.Rate >= 0 && a.Rate <= 1) {
		return fmt.Errorf("rate is %v, want a number from 0 to 1", a.Rate)
	}
	return nil
}

// SplitJSON is stage.split_json: it turns each element of an array into an entry.
type SplitJSON struct {
	Source *string `alloy:"source,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *SplitJSON) Validate() error {
	if a.Source != nil && *a.Source == "" {
		return errEmptySource
	}
	return nil
}

// StaticLabels is stage.static_labels: it sets labels.
type StaticLabels struct {
	Values map[string]*string `alloy:"values,attr"`
}

// Validate implements syntax.Validator.
func (a *StaticLabels) Validate() error {
	if a.Values == nil {
		return errors.New("values must not be null")
	}
	return checkLabelNames(a.Values)
}

// StructuredMetadata is stage.structured_metadata: it turns extracted values and labels into structured
// metadata.
type StructuredMetadata struct {
	Values map[string]*string `alloy:"values,attr,optional"`
	Regex  string             `alloy:"regex,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *StructuredMetadata) Validate() error {
	if err := checkLabelNames(a.Values); err != nil {
		return err
	}
	return checkRegexp("regex", a.Regex)
}

// StructuredMetadataDrop is stage.structured_metadata_drop: it removes structured metadata.
type StructuredMetadataDrop struct {
	Values []string `alloy:"values,attr"`
}

// Validate implements syntax.Validator.
func (a *StructuredMetadataDrop) Validate() error { return checkNotEmpty(a.Values) }

// Template is stage.template: it sets an extracted value with a Go template.
type Template struct {
	Source   string `alloy:"source,attr"`
	Template string `alloy:"template,attr"`
}

// Validate implements syntax.Validator.
func (a *Template) Validate() error {
	if a.Source == "" {
		return errEmptySource
	}
	if _, err := parseTemplate(a.Template); err != nil {
		return fmt.Errorf("template does not parse: %w", err)
	}
	return nil
}

// Tenant is stage.tenant: it sets the tenant of an entry.
type Tenant struct {
	Label  string `alloy:"label,attr,optional"`
	Source string `alloy:"source,attr,optional"`
	Value  string `alloy:"value,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Tenant) Validate() error {
	given := 0
	for _, s := range []string{a.Label, a.Source, a.Value} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("stage.tenant needs exactly one of label, source and value, and has %d", given)
	}
	return nil
}

// Timestamp is stage.timestamp: it sets the entry's time from an extracted value.
type Timestamp struct {
	Source                     string   `alloy:"source,attr"`
	Format                     string   `alloy:"format,attr"`
	FallbackFormats            []string `alloy:"fallback_formats,attr,optional"`
	Location                   *string  `alloy:"location,attr,optional"`
	ActionOnFailure            string   `alloy:"action_on_failure,attr,optional"`
	ActionOnDuplicateTimestamp string   `alloy:"action_on_duplicate_timestamp,attr,optional"`
}

// Validate implements syntax.Validator.
func (a *Timestamp) Validate() error {
	switch {
	case a.Source == "":
		return errEmptySource
	case a.Format == "":
		return errors.New("format must not be empty")
	case a.ActionOnFailure != "" && a.ActionOnFailure != "fudge" && a.ActionOnFailure != "skip":
		return fmt.Errorf("action_on_failure is %q, want \"fudge\" or \"skip\"", a.ActionOnFailure)
	case a.ActionOnDuplicateTimestamp != "" && a.ActionOnDuplicateTimestamp != "fudge" && a.ActionOnDuplicateTimestamp != "keep":
		return fmt.Errorf("action_on_duplicate_timestamp is %q, want \"fudge\" or \"keep\"", a.ActionOnDuplicateTimestamp)
	}
	if a.Location != nil {
		if _, err := time.LoadLocation(*a.Location); err != nil {
			return fmt.Errorf("location is %q, want the name of a time zone such as \"Europe/Berlin\": %w", *a.Location, err)
		}
	}
	return nil
}

// Truncate is stage.truncate: it cuts values that are too long.
type Truncate struct {
	Rules []*TruncateRule `alloy:"rule,block"`
}

// TruncateRule is one rule of a Truncate.
type TruncateRule struct {
	Limit      units.Base2Bytes `alloy:"limit,attr"`
	Suffix     string           `alloy:"suffix,attr,optional"`
	Sources    []string         `alloy:"sources,attr,optional"`
	SourceType SourceType       `alloy:"source_type,attr,optional"`
}

// SetToDefault implements syntax.Defaulter.
func (a *TruncateRule) SetToDefault() { *a = TruncateRule{SourceType: SourceLine} }

// Validate implements syntax.Validator.
func (a *TruncateRule) Validate() error {
	switch {
	case a.Limit <= 0:
		return errors.New("limit must be greater than 0")
	case a.SourceType == SourceLine && len(a.Sources) > 0:
		return errors.New("sources has no meaning if source_type is \"line\"")
	case a.Suffix != "" && int64(a.Limit) <= int64(len(a.Suffix)):
		return errors.New("suffix must be shorter than limit")
	}
	return nil
}

// EventLogMessage is stage.eventlogmessage, which is refused.
type EventLogMessage struct {
	Source            string `alloy:"source,attr,optional"`
	DropInvalidLabels bool   `alloy:"drop_invalid_labels,attr,optional"`
	OverwriteExisting bool   `alloy:"overwrite_existing,attr,optional"`
}

// Validate implements syntax.Validator.
func (*EventLogMessage) Validate() error { return errWindows("eventlogmessage") }

// WindowsEvent is stage.windowsevent, which is refused.
type WindowsEvent struct {
	Source            string `alloy:"source,attr,optional"`
	DropInvalidLabels bool   `alloy:"drop_invalid_labels,attr,optional"`
	OverwriteExisting bool   `alloy:"overwrite_existing,attr,optional"`
}

// Validate implements syntax.Validator.
func (*WindowsEvent) Validate() error { return errWindows("windowsevent") }

func errWindows(name string) error {
	return fmt.Errorf("stage.%s is not supported, because there is no Windows event log where lighter runs; remove the stage, or take such a message apart with stage.regex", name)
}
