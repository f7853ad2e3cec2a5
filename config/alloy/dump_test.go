package alloy_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/host"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// dump writes a plan in the format of golden files: each node with its edges, and the settings that differ
// from the defaults of its package. Secrets are revealed.
func dump(p *config.Plan) string {
	var b strings.Builder
	b.WriteString("agent\n")
	dumpFields(&b, "\t", reflect.ValueOf(p.Agent), reflect.Value{})
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "\n%s %s\n", kindName(n.Args), n.Name)
		for _, name := range n.From {
			fmt.Fprintf(&b, "\t<- %s\n", name)
		}
		for _, name := range n.To {
			fmt.Fprintf(&b, "\t-> %s\n", name)
		}
		dumpFields(&b, "\t", reflect.ValueOf(n.Args), defaults(n.Args))
	}
	return b.String()
}

func kindName(args any) string {
	name := fmt.Sprintf("%T", args)
	return strings.TrimPrefix(name, "config.")
}

func defaults(args any) reflect.Value {
	switch args.(type) {
	case docker.Config:
		return reflect.ValueOf(docker.DefaultConfig())
	case loki.Config:
		return reflect.ValueOf(loki.DefaultConfig())
	case remotewrite.Config:
		return reflect.ValueOf(remotewrite.DefaultConfig())
	case scrape.Config:
		return reflect.ValueOf(scrape.DefaultConfig())
	case config.HostMetrics:
		e := host.DefaultExporter()
		return reflect.ValueOf(config.HostMetrics{Unix: &e})
	}
	return reflect.Value{}
}

func dumpFields(b *strings.Builder, indent string, v, base reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		var other reflect.Value
		if base.IsValid() {
			other = base.Field(i)
		} else {
			other = reflect.Zero(f.Type)
		}
		if !reflect.DeepEqual(v.Field(i).Interface(), other.Interface()) && !(f.Type.Kind() == reflect.Slice && v.Field(i).Len() == 0) {
			dumpValue(b, indent, f.Name, v.Field(i), other)
		}
	}
}

func dumpValue(b *strings.Builder, indent, name string, v, base reflect.Value) {
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, fmt.Sprintf(format, args...))
	}
	switch x := v.Interface().(type) {
	case labels.Labels:
		if !x.IsEmpty() {
			line("%s", x)
		}
		return
	case []labels.Labels:
		for _, l := range x {
			line("%s", l)
		}
		return
	case relabel.Regexp:
		line("%s", x.String())
		return
	case time.Duration, promconfig.URL, []string, map[string][]string:
		line("%v", x)
		return
	case lighter.Secret:
		line("%s", x.Reveal())
		return
	case []*relabel.Config:
		for _, r := range x {
			if r.Action == relabel.Replace {
				line("%s = %q where %v matches %s", r.TargetLabel, r.Replacement, r.SourceLabels, r.Regex)
			} else {
				line("%s %s where %v matches %s", r.Action, r.TargetLabel, r.SourceLabels, r.Regex)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		inner := reflect.Value{}
		if base.IsValid() && base.Kind() == reflect.Pointer && !base.IsNil() {
			inner = base.Elem()
		}
		dumpValue(b, indent, name, v.Elem(), inner)
	case reflect.Struct:
		if !strings.HasPrefix(v.Type().PkgPath(), "lighter") && !strings.Contains(v.Type().PkgPath(), "common/config") {
			line("%v", v.Interface())
			return
		}
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		dumpFields(b, indent+"\t", v, base)
	case reflect.Slice:
		for i := range v.Len() {
			dumpValue(b, indent, fmt.Sprintf("%s[%d]", name, i), v.Index(i), reflect.Value{})
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			dumpValue(b, indent, name+"["+k.String()+"]", v.MapIndex(k), reflect.Value{})
		}
	case reflect.String:
		line("%s", v.String())
	default:
		line("%v", v.Interface())
	}
}
