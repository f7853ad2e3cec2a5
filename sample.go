package lighter

import "github.com/prometheus/common/model"

// Block is samples of one target as remote write 1.0 carries them: a run of encoded
// TimeSeries fields (tag, length, message) of a prometheus.WriteRequest, so that blocks
// one after another are a request. It is encoded once, by the scrape, and is what waits,
// is sent and is sent again.
//
// Each TimeSeries holds one sample or one native histogram, and the exemplars that came
// with it. Both may carry the one thing that 1.0 does not know and 2.0 does, a start
// timestamp, in the field that it has in 2.0; whoever sends 1.0 leaves it out.
type Block struct {
	Body       []byte // as its receiver wants it, compressed if it says so; of whoever made the block, and valid until the Append that it is given to returns
	Samples    int    // samples, histograms and staleness markers in Body, which is its fields
	StartTimes bool   // some of them have a start timestamp
	Time       int64  // of the scrape, Unix milliseconds
}

// Metadata is what a target says of a metric family in # TYPE, # HELP and # UNIT.
type Metadata struct {
	Family string
	Type   model.MetricType
	Help   string
	Unit   string
}
