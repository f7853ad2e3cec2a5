package main

import (
	"bytes"
	"encoding/json"
)

// dashboard is a dashboard of Grafana 11 and later: the parts of its JSON model that are needed.
type dashboard struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Version       int      `json:"version"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"` // 1: the crosshair is shown in all panels
	Refresh       string   `json:"refresh"`
	Timezone      string   `json:"timezone"`
	Time          struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Links       []link  `json:"links"`
	Annotations list    `json:"annotations"`
	Templating  list    `json:"templating"`
	Panels      []panel `json:"panels"`
}

type list struct {
	List []object `json:"list"`
}

// object is a part of the model that is only written.
type object map[string]any

type link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
}

type panel struct {
	ID              int         `json:"id"`
	Type            string      `json:"type"`
	Title           string      `json:"title"`
	Description     string      `json:"description"`
	GridPos         gridPos     `json:"gridPos"`
	Datasource      datasource  `json:"datasource"`
	Targets         []target    `json:"targets"`
	FieldConfig     fieldConfig `json:"fieldConfig"`
	Options         object      `json:"options"`
	Transformations []object    `json:"transformations,omitempty"`
}

type gridPos struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"` // of 24
	H int `json:"h"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type target struct {
	RefID        string     `json:"refId"`
	Datasource   datasource `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat,omitempty"`
	Instant      bool       `json:"instant"`
	Range        bool       `json:"range"`
	Format       string     `json:"format,omitempty"`
	QueryType    string     `json:"queryType,omitempty"`
}

type fieldConfig struct {
	Defaults  object   `json:"defaults"`
	Overrides []object `json:"overrides"`
}

var (
	onPrometheus = datasource{"prometheus", "${prometheus}"}
	onLoki       = datasource{"loki", "${loki}"}
)

// newDashboard returns a dashboard with the panels laid out from left to right and top to bottom.
func newDashboard(uid, title, description string, variables []object, panels ...panel) *dashboard {
	d := &dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"lighter"},
		SchemaVersion: 39, Version: 1, Editable: true, GraphTooltip: 1, Refresh: "1m", Timezone: "browser",
		Links: []link{{"Lighter", "dashboards", []string{"lighter"}, false, true, true}},
		Annotations: list{[]object{{
			"builtIn": 1, "name": "Annotations & Alerts", "type": "dashboard", "enable": true, "hide": true,
			"datasource": datasource{"grafana", "-- Grafana --"}, "iconColor": "rgba(0, 211, 255, 1)",
		}}},
		Templating: list{variables},
	}
	d.Time.From, d.Time.To = "now-1h", "now"
	x, y, high := 0, 0, 0
	for i, p := range panels {
		if x+p.GridPos.W > 24 {
			x, y, high = 0, y+high, 0
		}
		p.ID, p.GridPos.X, p.GridPos.Y = i+1, x, y
		x, high = x+p.GridPos.W, max(high, p.GridPos.H)
		d.Panels = append(d.Panels, p)
	}
	return d
}

func (d *dashboard) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// prom is a query to Prometheus over the dashboard's time range.
func prom(expr, legend string) target {
	return target{Datasource: onPrometheus, Expr: expr, LegendFormat: legend, Range: true}
}

// loki is a query to Loki over the dashboard's time range.
func loki(expr, legend string) target {
	return target{Datasource: onLoki, Expr: expr, LegendFormat: legend, Range: true, QueryType: "range"}
}

// newPanel returns a panel whose queries all go to one data source.
func newPanel(kind, title, description, unit string, width, height int, options object, targets []target) panel {
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	return panel{
		Type: kind, Title: title, Description: description, GridPos: gridPos{W: width, H: height},
		Datasource: targets[0].Datasource, Targets: targets, Options: options,
		FieldConfig: fieldConfig{Defaults: object{"unit": unit}, Overrides: []object{}},
	}
}

// graph shows series over time.
func graph(title, description, unit string, width int, targets ...target) panel {
	p := newPanel("timeseries", title, description, unit, width, 8, object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}, targets)
	p.FieldConfig.Defaults["min"] = 0
	p.FieldConfig.Defaults["custom"] = object{"fillOpacity": 10, "showPoints": "never"}
	return p
}

// stacked is a graph whose series add up.
func stacked(title, description, unit string, width int, targets ...target) panel {
	p := graph(title, description, unit, width, targets...)
	p.FieldConfig.Defaults["custom"] = object{"fillOpacity": 60, "lineWidth": 0, "showPoints": "never", "stacking": object{"mode": "normal", "group": "A"}}
	return p
}

// stat shows the newest value of each series, in red if it is at least bad; if bad is 0, it is never red.
func stat(title, description, unit string, width int, bad float64, targets ...target) panel {
	for i := range targets {
		targets[i].Instant, targets[i].Range = true, false
	}
	p := newPanel("stat", title, description, unit, width, 5, object{
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"colorMode":     "value", "graphMode": "none", "textMode": "auto", "orientation": "auto",
	}, targets)
	steps := []object{{"color": "green", "value": nil}}
	if bad > 0 {
		steps = append(steps, object{"color": "red", "value": bad})
	}
	p.FieldConfig.Defaults["thresholds"] = object{"mode": "absolute", "steps": steps}
	p.FieldConfig.Defaults["noValue"] = "0"
	return p
}

// lines shows log lines, the newest first.
func lines(title, description, expr string, height int) panel {
	return newPanel("logs", title, description, "none", 24, height, object{
		"showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "sortOrder": "Descending", "dedupStrategy": "none",
	}, []target{loki(expr, "")})
}

// column is a query whose newest values are a column of a table.
type column struct{ name, unit, expr string }

// table shows a row for each label set that the columns' queries have in common.
func table(title, description string, columns ...column) panel {
	var targets []target
	names := object{}
	var overrides []object
	for i, c := range columns {
		targets = append(targets, target{Datasource: onPrometheus, Expr: c.expr, Instant: true, Format: "table"})
		names["Value #"+string(rune('A'+i))] = c.name
		overrides = append(overrides, object{
			"matcher":    object{"id": "byName", "options": c.name},
			"properties": []object{{"id": "unit", "value": c.unit}},
		})
	}
	p := newPanel("table", title, description, "short", 24, 10, object{"showHeader": true, "cellHeight": "sm"}, targets)
	p.FieldConfig.Overrides = overrides
	p.Transformations = []object{
		{"id": "merge", "options": object{}},
		{"id": "organize", "options": object{"excludeByName": object{"Time": true}, "renameByName": names}},
	}
	return p
}
