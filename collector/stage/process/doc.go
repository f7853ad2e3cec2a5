// Package process implements the stages of Grafana Alloy's loki.process component, and the stage of
// loki.relabel.
//
// Arguments are the contents of a loki.process block; Alloy's syntax package decodes into them. New
// compiles them once per component, and the Pipeline makes a stage for each log that passes through the
// component. An entry passes through the list of stages with its time, its line, its labels, its structured
// metadata, and the extracted values, which initially are the labels. Values that no stage reads are not
// extracted. Each label set that stages make has one lighter.Stream per log, which later entries share. New
// content of a line is allocated in its batch's memory.
//
// A stage.multiline or a stage.cri holds entries back together with their batches, so that the position of
// the log waits. stage.timestamp keeps the last times of a log with its position. An entry that is read
// again after a crash is therefore processed in the same way. The exceptions depend on the machine's clock:
// stage.limit, older_than of stage.drop, ingest_timestamp of stage.pack, functions of templates such as
// now, and a block of stage.multiline whose rest comes after max_wait_time.
//
// All logs share what Alloy has once per component: the buckets of stage.limit and the metrics of
// stage.metrics. Each log has its own copy of what Alloy has per label set, such as the lines of a block.
package process
