package lighter

import "github.com/prometheus/common/model"

// Block is samples of one target as remote write carries them: a run of encoded
// TimeSeries fields (tag, length, message) of a prometheus.WriteRequest, so that blocks
// one after another are a request. It is encoded once, by the scrape, and is what waits,
// is sent and is sent again.
type Block struct {
	Body    []byte // not compressed; of whoever made the block, and valid until the Append that it is given to returns
	Samples int    // samples, histograms and staleness markers in Body
	Time    int64  // of the scrape, Unix milliseconds
}

// Metadata is what a target says of a metric family in # TYPE, # HELP and # UNIT.
type Metadata struct {
	Family string
	Type   model.MetricType
	Help   string
	Unit   string
}
