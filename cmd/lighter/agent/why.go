package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/filelog"
	"lighter/config"
)

// whyDropped describes what a rule found, in terms that a container's owner knows.
func whyDropped(d droppedTarget) string {
	r, l, origin := d.rule, d.target.Labels, d.origin
	var names, values []string
	for _, source := range r.SourceLabels {
		name := ownName(source)
		names = append(names, name)
		if value := l.Get(string(source)); value != "" {
			values = append(values, fmt.Sprintf("%s is %q", name, value))
		}
	}
	found := strings.Join(values, ", ")
	switch {
	case values == nil:
		return "it has no " + strings.Join(names, " and no ")
	case len(values) == 1:
		return found
	case origin != "" && r.Action == relabel.Keep:
		return fmt.Sprintf("%s: not in %s", found, origin)
	case origin != "":
		return fmt.Sprintf("%s: left out by %s", found, origin)
	case r.Action == relabel.Keep:
		return fmt.Sprintf("%s: kept is what matches %q", found, r.Regex.String())
	default:
		return fmt.Sprintf("%s: left out is what matches %q", found, r.Regex.String())
	}
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
		return "it is lighter's own container: what it says of shipping is not shipped in turn"
	case c.SkipReason != "":
		return "it may ask not to be: " + oneLine(c.SkipReason)
	case c.LogDriver == "none":
		return "log driver none keeps nothing that could be read"
	}
	if s.Engine == "" && !c.Started.IsZero() {
		if err := filelog.Readable(s.Root, c); err != nil {
			return oneLine(err.Error())
		}
	}
	switch {
	case c.Running || c.Finished.IsZero():
		return ""
	case s.Since == 0:
		return "it has ended, and " + lighter.SettingLogsSince + "=0 is from now on"
	case now.Sub(c.Finished) > s.Since:
		return fmt.Sprintf("it ended %s ago, and %s is %s", ago(now.Sub(c.Finished)), lighter.SettingLogsSince, model.Duration(s.Since))
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
