package alloy

import (
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// LokiSourceDocker are the arguments of loki.source.docker.
type LokiSourceDocker struct {
	Host            string            `alloy:"host,attr"`
	Targets         []Target          `alloy:"targets,attr"`
	ForwardTo       []LogsReceiver    `alloy:"forward_to,attr"`
	Labels          map[string]string `alloy:"labels,attr,optional"`
	RelabelRules    Rules             `alloy:"relabel_rules,attr,optional"`
	HTTP            *HTTPClient       `alloy:"http_client_config,block,optional"`
	RefreshInterval time.Duration     `alloy:"refresh_interval,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiSourceDocker) SetToDefault() { *a = LokiSourceDocker{RefreshInterval: time.Minute} }

// Validate reports the errors that Alloy reports.
func (a *LokiSourceDocker) Validate() error {
	if a.RefreshInterval <= 0 {
		return errors.New("refresh_interval must be above 0")
	}
	return checkDockerHost("host", a.Host)
}

var lokiSourceDocker = kindOf(func(b *builder, a *LokiSourceDocker) map[string]any {
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
	engine := b.engine(a.Host, clientOf(a.HTTP), blockIn(b.block(), "http_client_config"))
	b.l.finish = append(b.l.finish, func() { // when all other Engines of the plan are known
		b.add(config.Node{Name: b.name(""), From: from, To: to, Args: config.LogSource{
			Rules:        a.RelabelRules,
			Labels:       labels.FromMap(a.Labels),
			Since:        b.l.LogsSince,
			MaxLineBytes: b.l.MaxLineBytes,
			Engine:       b.engineNode(engine, false),
			Root:         b.l.DockerRoot,
		}})
	})
	return nil
}).without(lokiSourceDockerNoEffect()).refusing(engineRefused("http_client_config.")).but(engineBut("http_client_config.", map[string]string{}))

func lokiSourceDockerNoEffect() map[string]string {
	all := engineNoEffect("http_client_config.")
	all["refresh_interval"] = "a log is followed without a time limit"
	return all
}
