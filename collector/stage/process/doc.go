// Package process is a stage that does to log entries what a loki.process component of Grafana Alloy does, and
// one that does what loki.relabel does.
//
// Arguments are what a loki.process block says; Alloy's syntax package decodes into them. New compiles them once
// for a component, and the Pipeline makes a stage for each log that passes through the component. An entry comes
// to the stages of the list one after the other, with its time, its line, its labels, its structured metadata, and
// the values that stages have extracted, which begin with the labels. What no stage reads is not extracted. A
// label set that stages make has one lighter.Stream in a log, which later entries get again. What is made of a
// line is memory of its batch.
//
// A stage.multiline or a stage.cri holds entries back, and with them their batches, so that the position of the
// log waits; stage.timestamp keeps the last times of a log with its position. An entry that is read again after a
// crash is so made again as it was. The exceptions are those stages that look at the clock of the machine: stage.limit,
// older_than of stage.drop, ingest_timestamp of stage.pack, functions of templates such as now; and a block of
// stage.multiline whose rest comes after max_wait_time.
//
// What Alloy has once for a component, the buckets of stage.limit and the metrics of stage.metrics, all logs share.
// What it has for a label set, such as the lines of a block, each log has for itself.
package process
