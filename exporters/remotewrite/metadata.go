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

// maxFamilies limits what is remembered. All targets of a host have some hundreds of families; a target
// with ever new families must not use unlimited memory.
const maxFamilies = 20_000

// metadata holds the last metadata of each metric family. Its zero value is empty.
type metadata struct {
	mu       sync.Mutex
	families map[string]lighter.Metadata
}

// Metadata remembers the metadata of metric families until it is sent, and sends it repeatedly. If two
// targets differ, the later one wins, as in Prometheus.
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

// of returns the metadata of the family that a metric belongs to, by the metric's name.
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

// hasSuffix reports whether metrics of a kind have series with their family's name and this suffix.
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

// all returns all metadata, sorted by family.
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

// runMetadata sends all metadata at each interval, concurrently with the shards, while the endpoint gets
// 1.0; in 2.0 it is sent with the samples. If a transmission is not over when the next is due, it is
// cancelled, because the next has the same content.
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
		if err := e.sender.Deliver(ctx, send.Request{Body: snappy.Encode(nil, body), Header: e.protocol.v1, Tenant: e.cfg.Tenant}); err != nil { // it has no samples, so Items is 0
			return fmt.Errorf("send metadata of %d families: %w", len(part), err)
		}
	}
	return nil
}
