package process

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
)

// record encodes a value as in a MaxMind database.
func record(b []byte, v any) []byte {
	control := func(kind, size int) {
		first := kind << 5
		if kind > 7 {
			first = 0
		}
		if size < 29 {
			b = append(b, byte(first|size))
		} else {
			b = append(b, byte(first|29))
		}
		if kind > 7 {
			b = append(b, byte(kind-7))
		}
		if size >= 29 {
			b = append(b, byte(size-29))
		}
	}
	switch v := v.(type) {
	case string:
		control(2, len(v))
		b = append(b, v...)
	case float64:
		control(3, 8)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	case uint16:
		control(5, 2)
		b = binary.BigEndian.AppendUint16(b, v)
	case uint32:
		control(6, 4)
		b = binary.BigEndian.AppendUint32(b, v)
	case uint64:
		control(9, 8)
		b = binary.BigEndian.AppendUint64(b, v)
	case []any:
		control(11, len(v))
		for _, one := range v {
			b = record(b, one)
		}
	case map[string]any:
		control(7, len(v))
		for key, one := range sorted(v) {
			b = record(record(b, key), one)
		}
	default:
		panic(fmt.Sprintf("no encoding of %T", v))
	}
	return b
}

// database writes a database with the same record for all addresses from 128.0.0.0 on, and returns its
// path.
func database(t *testing.T, of any) string {
	b := []byte{0, 0, 1, 0, 0, 1 + 16} // one node: nothing to its left, the first record to its right
	b = append(b, make([]byte, 16)...)
	b = record(b, of)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	b = record(b, map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1),
		"database_type": "Test", "description": map[string]any{}, "ip_version": uint16(4), "languages": []any{},
		"node_count": uint32(1), "record_size": uint16(24),
	})
	path := filepath.Join(t.TempDir(), "test.mmdb")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The fields are those in the documentation of loki.process.
func TestGeoIP(t *testing.T) {
	name := func(s string) map[string]any { return map[string]any{"en": s, "de": "?"} }
	city := database(t, map[string]any{
		"city":         map[string]any{"names": name("Kansas City")},
		"country":      map[string]any{"iso_code": "US", "names": name("United States")},
		"continent":    map[string]any{"code": "NA", "names": name("North America")},
		"location":     map[string]any{"latitude": 39.1027, "longitude": -94.5778, "time_zone": "America/Chicago"},
		"postal":       map[string]any{"code": "64184"},
		"subdivisions": []any{map[string]any{"iso_code": "X", "names": name("X")}, map[string]any{"iso_code": "MO", "names": name("Missouri")}},
		"MyCompany":    map[string]any{"Dept": "R&D", "Floor": uint32(3)},
	})
	asn := database(t, map[string]any{"autonomous_system_number": uint32(396982), "autonomous_system_organization": "GOOGLE-CLOUD-PLATFORM"})
	const labelsOfCity = `
stage.structured_metadata { regex = "^(geoip_|dept|floor)" }`
	for name, c := range map[string]struct{ stages, line, want string }{
		"city": {fmt.Sprintf("stage.geoip {\n\tdb = %q\n\tsource = \"ip\"\n\tdb_type = \"city\"\n\tcustom_lookups = {dept = \"MyCompany.Dept\", floor = \"MyCompany.Floor\", none = \"x\"}\n}", city), "200.1.2.3",
			`{} [dept=R&D floor=3 geoip_city_name=Kansas City geoip_continent_code=NA geoip_continent_name=North America geoip_country_code=US geoip_country_name=United States geoip_location_latitude=39.1027 geoip_location_longitude=-94.5778 geoip_postal_code=64184 geoip_subdivision_code=MO geoip_subdivision_name=Missouri geoip_timezone=America/Chicago] 200.1.2.3`},
		"country": {fmt.Sprintf("stage.geoip {\n\tdb = %q\n\tsource = \"ip\"\n\tdb_type = \"country\"\n}", city), "200.1.2.3",
			`{} [geoip_continent_code=NA geoip_continent_name=North America geoip_country_code=US geoip_country_name=United States] 200.1.2.3`},
		"asn":        {fmt.Sprintf("stage.geoip {\n\tdb = %q\n\tsource = \"ip\"\n\tdb_type = \"asn\"\n}", asn), "200.1.2.3", `{} [geoip_autonomous_system_number=396982 geoip_autonomous_system_organization=GOOGLE-CLOUD-PLATFORM] 200.1.2.3`},
		"not there":  {fmt.Sprintf("stage.geoip {\n\tdb = %q\n\tsource = \"ip\"\n\tdb_type = \"asn\"\n}", asn), "10.1.2.3", `{} 10.1.2.3`},
		"no address": {fmt.Sprintf("stage.geoip {\n\tdb = %q\n\tsource = \"ip\"\n\tdb_type = \"asn\"\n}", asn), "x", `{} x`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, "stage.regex { expression = \"(?P<ip>.*)\" }\n"+c.stages+labelsOfCity, labels.EmptyLabels())
			p.read(in{line: c.line})
			if diff := cmp.Diff([]string{c.want}, p.end.got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}
