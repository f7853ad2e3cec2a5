// Package logmetrics counts metrics from log lines.
//
// Metrics are declared (Parse), one per line:
//
//	http_requests_total{path,status} = count(msg="http_request")
//	http_request_duration_seconds{path} = histogram(latencyMs/1000, msg="http_request")
//	queue_depth = gauge(depth, msg="queue")
//	mail_dropped_total = count("RESEND_API_KEY not set")
//
// A Set makes one stage for each log. The stage also counts all entries by level, and sends the level where
// Loki would detect a wrong one. Entries pass through unchanged otherwise.
//
// # Nothing is counted twice
//
// A stage counts a batch when the batch passes through, and keeps what it has counted as of the end of each
// batch (stage.Keeper). That state is written together with the position that the batch moves. Whoever
// reads the log again, after a kill or a restart, therefore counts from exactly where the position is.
// Counts are integers, and sums are float64 added in the order of the log: counted again, they are the same
// to the last bit.
//
// The state is always written completely: 500 histograms take 20 kB, and 0.2 ms of CPU time with each
// acknowledgement (BenchmarkAcknowledge, docs/performance.md). A log is acknowledged about once a second,
// so that a format of differences is not worth its complexity.
//
// # The page never goes back
//
// The counts of a stage may be ahead of the position by all batches that wait for their acknowledgement. If
// the page showed them, a kill would take them back. Therefore the page decodes, for each log, the state
// that was written with the log's acknowledged position (Log.Acknowledged), from which a process starts
// after a kill. It reads this state instead of following acknowledgements itself: whether batches are
// acknowledged out of order, held back, read again (Origin.Rewind), or never acknowledged because their
// endpoint is gone, the page cannot differ from the disk.
//
// # A container that replaces another
//
// Logs of the same service and container are summed. When a log has ended (Set.Forget), its counts are
// handed to another log of the same service and container, as soon as there is one, so that a recreated
// container goes on counting. That log adds them to its own at its next batch. From then on they are part
// of its state, which contains the number of the last such addition. The page adds those that the state on
// disk does not contain yet. Only a kill before that loses them, because the log that they come from is
// gone. Gauges are not handed on; if there are several logs, the page shows the value of the newest.
// are not handed on; of several logs the newest one's value is shown.
package logmetrics
