package remotewrite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/send"
)

const (
	// metadataPerSend is how many families one request carries: few enough that long help
	// texts stay far below what backends read of a request.
	metadataPerSend = 500

	// maxFamilies bounds what is remembered. A host's targets have some hundreds of families
	// together; a target that names families without end must not cost memory without end.
	maxFamilies = 20_000
)

// metadata is the last that was said of each metric family.
type metadata struct {
	mu       sync.Mutex
	families map[string]lighter.Metadata
}

// Metadata remembers what targets say of metric families until it is sent, and goes on
// sending it. Two targets that differ overwrite one another, as with Prometheus.
func (e *Endpoint) Metadata(m []lighter.Metadata) {
	if e.cfg.SendMetadata {
		e.meta.remember(m)
	}
}

func (md *metadata) remember(m []lighter.Metadata) {
	md.mu.Lock()
	defer md.mu.Unlock()
	if md.families == nil {
		md.families = map[string]lighter.Metadata{}
	}
	for _, one := range m {
		if _, known := md.families[one.Family]; known || len(md.families) < maxFamilies {
			md.families[one.Family] = one
		}
	}
}

// all returns what is remembered, sorted by name.
func (md *metadata) all() []prompb.MetricMetadata {
	md.mu.Lock()
	defer md.mu.Unlock()
	list := make([]prompb.MetricMetadata, 0, len(md.families))
	for _, m := range md.families {
		list = append(list, prompb.MetricMetadata{
			MetricFamilyName: m.Family,
			Type:             prompb.FromMetadataType(m.Type),
			Help:             m.Help,
			Unit:             m.Unit,
		})
	}
	slices.SortFunc(list, func(a, b prompb.MetricMetadata) int {
		return strings.Compare(a.MetricFamilyName, b.MetricFamilyName)
	})
	return list
}

// runMetadata sends all of it at each interval, beside the shards. A sending that is not
// over when the next is due is given up: the next says the same.
func (e *Endpoint) runMetadata(ctx context.Context) error {
	ticks := time.NewTicker(e.cfg.MetadataInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		if err := e.sendMetadata(ctx); err != nil && ctx.Err() == nil {
			e.opts.Logger.Debug("metadata was not sent, the next interval tries again", "endpoint", e.cfg.Name, "error", err)
		}
	}
}

func (e *Endpoint) sendMetadata(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.MetadataInterval)
	defer cancel()
	for part := range slices.Chunk(e.meta.all(), metadataPerSend) {
		body, err := proto.Marshal(&prompb.WriteRequest{Metadata: part})
		if err != nil {
			return fmt.Errorf("encode metadata of %d families: %w", len(part), err)
		}
		if err := e.sender.Deliver(ctx, send.Request{Body: snappy.Encode(nil, body)}); err != nil { // no samples: Items is 0
			return fmt.Errorf("send metadata of %d families: %w", len(part), err)
		}
	}
	return nil
}
