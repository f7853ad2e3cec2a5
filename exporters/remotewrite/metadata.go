package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/send"
)

// maxFamilies bounds what is remembered. A host's targets have some hundreds of families
// together; a target that names families without end must not cost memory without end.
const maxFamilies = 20_000

// metadata is the last that was said of each metric family. Its zero value has nothing.
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

// of returns what is remembered of the family that a metric belongs to, by its name.
func (md *metadata) of(name []byte) (lighter.Metadata, bool) {
	md.mu.Lock()
	defer md.mu.Unlock()
	if m, ok := md.families[string(name)]; ok {
		return m, true
	}
	if i := bytes.LastIndexByte(name, '_'); i > 0 {
		if m, ok := md.families[string(name[:i])]; ok && hasSuffix(m.Type, string(name[i:])) {
			return m, true
		}
	}
	return lighter.Metadata{}, false
}

// hasSuffix reports whether metrics of a kind have series of their family's name and a suffix.
func hasSuffix(kind model.MetricType, suffix string) bool {
	switch suffix {
	case "_total":
		return kind == model.MetricTypeCounter
	case "_info":
		return kind == model.MetricTypeInfo
	case "_created":
		return kind == model.MetricTypeCounter || kind == model.MetricTypeHistogram || kind == model.MetricTypeSummary
	case "_count", "_sum":
		return kind == model.MetricTypeHistogram || kind == model.MetricTypeSummary
	case "_bucket":
		return kind == model.MetricTypeHistogram || kind == model.MetricTypeGaugeHistogram
	case "_gcount", "_gsum":
		return kind == model.MetricTypeGaugeHistogram
	}
	return false
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

// runMetadata sends all of it at each interval, beside the shards, while 1.0 is spoken: in
// 2.0 it goes with the samples. A sending that is not
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
		if e.speaksV2() {
			continue
		}
		if err := e.sendMetadata(ctx); err != nil && ctx.Err() == nil {
			e.logger.Debug("metadata was not sent, the next interval tries again", "error", err)
		}
	}
}

func (e *Endpoint) sendMetadata(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.MetadataInterval)
	defer cancel()
	for part := range slices.Chunk(e.meta.all(), e.cfg.MetadataPerSend) {
		body, err := proto.Marshal(&prompb.WriteRequest{Metadata: part})
		if err != nil {
			return fmt.Errorf("encode metadata of %d families: %w", len(part), err)
		}
		if err := e.sender.Deliver(ctx, send.Request{Body: snappy.Encode(nil, body), Header: e.protocol.v1, Tenant: e.cfg.Tenant}); err != nil { // no samples: Items is 0
			return fmt.Errorf("send metadata of %d families: %w", len(part), err)
		}
	}
	return nil
}
