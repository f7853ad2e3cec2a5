// Package logmetrics counts metrics from log lines.
//
// What is counted is declared (Parse), one metric a line:
//
//	http_requests_total{path,status} = count(msg="http_request")
//	http_request_duration_seconds{path} = histogram(latencyMs/1000, msg="http_request")
//	queue_depth = gauge(depth, msg="queue")
//	mail_dropped_total = count("RESEND_API_KEY not set")
//
// A Set makes a stage for each log, which also counts all entries by level and says the level where Loki
// would be wrong about it. Entries pass through unchanged otherwise.
//
// # Nothing is counted twice
//
// A stage counts a batch when it passes through, and keeps what it has counted as of the end of each batch
// (stage.Keeper). That state is written together with the position that the batch moves, so whoever reads
// the log again, after a kill or a restart, counts from exactly what the position says is counted. Counts are
// integers and sums of float64, added in the order of the log: counted again they are the same to the last bit.
//
// The state is written whole: of 500 histograms 20 kB, which take 0.2 ms of CPU time with each acknowledgement
// (BenchmarkAcknowledge, docs/performance.md). A log is acknowledged about once a second, so that is not worth a
// format of differences.
//
// # The page never goes back
//
// What a stage has counted may be ahead of the position by all batches that wait for their acknowledgement.
// If the page showed it, a kill would take it back. So the page shows something else: for each log it decodes
// the state that is written with the log's acknowledged position (Log.Acknowledged), which is what a process
// after a kill begins with. It asks the position and does not follow acknowledgements by itself: batches
// that are acknowledged out of order, held back, read again (Origin.Rewind), or never acknowledged because
// their endpoint is gone are the position's business, and cannot make the page differ from the disk.
//
// # A container that replaces another
//
// Logs of the same service and container are summed. When a log has ended (Set.Forget) its counts are handed
// to another log of the same service and container, as soon as there is one, so that a container that is
// created anew goes on counting. That log adds them to its own at its next batch, and from then on they are
// part of its state, which has the number of the last such addition. The page adds those that the state on disk
// does not contain yet. Only a kill before that forgets them, because the log that they come from is gone. Gauges
// are not handed on; of several logs the newest one's value is shown.
package logmetrics
