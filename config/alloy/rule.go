package alloy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// Rule is a block that changes labels: rule, and write_relabel_config.
type Rule struct {
	SourceLabels []string   `alloy:"source_labels,attr,optional"`
	Separator    string     `alloy:"separator,attr,optional"`
	Regex        Regex      `alloy:"regex,attr,optional"`
	Modulus      uint64     `alloy:"modulus,attr,optional"`
	TargetLabel  string     `alloy:"target_label,attr,optional"`
	Replacement  string     `alloy:"replacement,attr,optional"`
	Action       RuleAction `alloy:"action,attr,optional"`
}

// Regex is a regular expression that must match a whole value.
type Regex struct{ relabel.Regexp }

// UnmarshalText compiles the expression.
func (r *Regex) UnmarshalText(text []byte) error {
	if _, err := regexp.Compile(string(text)); err != nil { // without the anchors
		return errors.New("it is not a valid regular expression: " + err.Error())
	}
	re, err := relabel.NewRegexp(string(text))
	if err != nil {
		return err
	}
	r.Regexp = re
	return nil
}

// RuleAction is what a rule does.
type RuleAction relabel.Action

var ruleActions = []string{
	string(relabel.Replace), string(relabel.Keep), string(relabel.Drop), string(relabel.KeepEqual), string(relabel.DropEqual), string(relabel.HashMod),
	string(relabel.LabelMap), string(relabel.LabelDrop), string(relabel.LabelKeep), string(relabel.Lowercase), string(relabel.Uppercase),
}

// UnmarshalText refuses an unknown action.
func (a *RuleAction) UnmarshalText(text []byte) error {
	for _, known := range ruleActions {
		if string(text) == known {
			*a = RuleAction(known)
			return nil
		}
	}
	if n := nearest(string(text), ruleActions); n != "" {
		return fmt.Errorf("there is no such action; did you mean %q?", n)
	}
	return fmt.Errorf("there is no such action; the actions are %s", list(ruleActions))
}

// The defaults of a rule that are compared with.
const (
	anySeparator  = ";"
	anyRegex      = "(.*)"
	wholeMatch    = "$1"
	labelPatterns = `^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$`
)

// SetToDefault sets the rule to Alloy's defaults.
func (r *Rule) SetToDefault() {
	*r = Rule{
		Action:      RuleAction(relabel.Replace),
		Separator:   anySeparator,
		Regex:       Regex{relabel.MustNewRegexp(anyRegex)},
		Replacement: wholeMatch,
	}
}

// labelTemplate matches the name of a label, which may contain references to groups of the match.
var labelTemplate = regexp.MustCompile(labelPatterns)

// Validate reports the errors that Alloy reports.
func (r *Rule) Validate() error {
	action := relabel.Action(r.Action)
	named := model.LegacyValidation.IsValidLabelName(r.TargetLabel)
	equal := action == relabel.KeepEqual || action == relabel.DropEqual
	cased := action == relabel.Lowercase || action == relabel.Uppercase
	switch {
	case action == relabel.HashMod && r.Modulus == 0:
		return errors.New("the action hashmod needs a modulus above 0")
	case (action == relabel.Replace || action == relabel.HashMod || cased || equal) && r.TargetLabel == "":
		return fmt.Errorf("the action %s needs a target_label", action)
	case action == relabel.Replace && !strings.Contains(r.TargetLabel, "$") && !named,
		action == relabel.Replace && strings.Contains(r.TargetLabel, "$") && !labelTemplate.MatchString(r.TargetLabel),
		(action == relabel.HashMod || cased || equal) && !named:
		return fmt.Errorf("the target_label %q is not a valid label name: a label name has letters, digits and underscores", r.TargetLabel)
	case (cased || equal) && r.Replacement != wholeMatch:
		return fmt.Errorf("the action %s takes no replacement", action)
	case action == relabel.LabelMap && !labelTemplate.MatchString(r.Replacement):
		return fmt.Errorf("the replacement %q is not a valid label name: a label name has letters, digits and underscores", r.Replacement)
	case (action == relabel.LabelDrop || action == relabel.LabelKeep) &&
		(r.SourceLabels != nil || r.TargetLabel != "" || r.Modulus != 0 || r.Separator != anySeparator || r.Replacement != wholeMatch):
		return fmt.Errorf("the action %s takes a regex and nothing else", action)
	case equal && (r.Regex.String() != anyRegex || r.Modulus != 0 || r.Separator != anySeparator):
		return fmt.Errorf("the action %s takes source_labels and a target_label and nothing else", action)
	}
	return nil
}

// relabelRules returns rules in the form that the agent runs.
func relabelRules(rules []*Rule) Rules {
	var all Rules
	for _, r := range rules {
		c := &relabel.Config{
			Separator:            r.Separator,
			Regex:                r.Regex.Regexp,
			Modulus:              r.Modulus,
			TargetLabel:          r.TargetLabel,
			Replacement:          r.Replacement,
			Action:               relabel.Action(r.Action),
			NameValidationScheme: model.LegacyValidation,
		}
		for _, l := range r.SourceLabels {
			c.SourceLabels = append(c.SourceLabels, model.LabelName(l))
		}
		all = append(all, c)
	}
	return all
}
