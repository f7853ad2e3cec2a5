// Package alloy reads the files that Grafana Alloy is configured with.
package alloy
