package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/filelog"
	"lighter/config"
)

// whyDropped says in a sentence, and in words that a container's owner knows, why a rule has dropped it.
func whyDropped(d droppedTarget) string {
	r := d.rule
	var names, found []string
	for _, source := range r.SourceLabels {
		name := ownName(source)
		names = append(names, name)
		if value := d.target.Labels.Get(string(source)); value != "" {
			found = append(found, fmt.Sprintf("its %s is %q", name, value))
		}
	}
	if found == nil {
		return "it has no " + strings.Join(names, " and no ")
	}
	return strings.Join(found, " and ") + whatDrops(d, names)
}

// whatDrops ends the sentence of whyDropped with what the rule says of these labels. It adds nothing where a
// label's own value says it, such as lighter.logs=false.
func whatDrops(d droppedTarget, names []string) string {
	r := d.rule
	switch {
	case d.origin != "" && r.Action == relabel.Keep:
		return ", and " + d.origin + " does not name it"
	case d.origin != "":
		return ", and " + d.origin + " leaves it out"
	case !slices.ContainsFunc(names, func(name string) bool { return !contractLabel(name) }):
		return ""
	case r.Action == relabel.Keep:
		return fmt.Sprintf(", and only what matches %q is kept", r.Regex.String())
	case r.Action == relabel.KeepEqual:
		return ", and only what equals its " + ownName(model.LabelName(r.TargetLabel)) + " is kept"
	case r.Action == relabel.DropEqual:
		return ", and what equals its " + ownName(model.LabelName(r.TargetLabel)) + " is left out"
	}
	return fmt.Sprintf(", and what matches %q is left out", r.Regex.String())
}

// contractLabel reports whether a name that ownName has returned is that of a label by which containers speak
// to the agent.
func contractLabel(name string) bool {
	return strings.HasPrefix(name, "label lighter.") || strings.HasPrefix(name, "label prometheus.io/")
}

// Documented labels of containers. Discovery writes their dots and slashes as underscores.
var containerLabels = strings.NewReplacer(
	"__meta_docker_container_label_lighter_", "label lighter.",
	"__meta_docker_container_label_prometheus_io_", "label prometheus.io/",
	"__meta_docker_container_label_", "label ",
	"__meta_docker_container_", "container ",
	model.AddressLabel, "network address",
)

// ownName returns a label of discovery in the form that the container's owner knows.
func ownName(name model.LabelName) string { return containerLabels.Replace(string(name)) }

// unreadable returns why nothing of a container's log is shipped although its labels are wanted.
func unreadable(c *lighter.Container, s config.LogSource, now time.Time) string {
	switch {
	case c.Self:
		return "it is lighter's own container, whose log is not shipped"
	case c.SkipReason != "":
		return "its settings cannot be read, and it may ask not to be shipped: " + oneLine(c.SkipReason)
	case c.LogDriver == "none":
		return "its log driver is none, which keeps no log to read"
	}
	if s.Engine == "" && !c.Started.IsZero() {
		if err := filelog.Readable(s.Root, c); err != nil {
			return oneLine(err.Error())
		}
	}
	return endedEarlier(c, s.Since, now)
}

// endedEarlier says that a container has ended before the time from which its log would be read; it is empty if
// that is not so.
func endedEarlier(c *lighter.Container, since time.Duration, now time.Time) string {
	switch {
	case c.Running || c.Finished.IsZero():
		return ""
	case since == 0:
		return "it has ended, and " + lighter.SettingLogsSince + "=0 means from now on"
	case now.Sub(c.Finished) > since:
		return fmt.Sprintf("it ended %s ago, and %s is %s", ago(now.Sub(c.Finished)), lighter.SettingLogsSince, model.Duration(since))
	}
	return ""
}

// ago rounds a duration for a reader.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}
