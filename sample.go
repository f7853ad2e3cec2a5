package lighter

import "github.com/prometheus/common/model"

// Block holds samples of one target as in remote write 1.0: a sequence of encoded TimeSeries fields (tag,
// length, message) of a prometheus.WriteRequest, so that concatenated blocks are a request. The scrape
// encodes it once; in this form it waits and is sent, if necessary repeatedly.
//
// Each TimeSeries holds one sample or one native histogram, and its exemplars. Both may have a start
// timestamp, which 1.0 lacks, in the field that it has in 2.0; a sender of 1.0 removes it.
type Block struct {
	Body       []byte // in the receiver's form, which may be compressed; owned by its maker, and valid until the Append to which it is passed returns
	Samples    int    // number of samples, histograms and staleness markers in Body, each one field
	StartTimes bool   // some of them have a start timestamp
	Time       int64  // of the scrape, Unix milliseconds
}

// Metadata is the content of a metric family's # TYPE, # HELP and # UNIT lines.
type Metadata struct {
	Family string
	Type   model.MetricType
	Help   string
	Unit   string
}
