package process

import (
	"net"

	"github.com/oschwald/maxminddb-golang"
)

// geoIP is stage.geoip.
type geoIP struct {
	db     *maxminddb.Reader
	source int
	kind   string
	custom []search
}

// place is the record of an address in a city or a country database.
type place struct {
	City struct {
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"city"`
	Country struct {
		ISOCode string            `maxminddb:"iso_code"`
		Names   map[string]string `maxminddb:"names"`
	} `maxminddb:"country"`
	Continent struct {
		Code  string            `maxminddb:"code"`
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"continent"`
	Location struct {
		Latitude  float64 `maxminddb:"latitude"`
		Longitude float64 `maxminddb:"longitude"`
		TimeZone  string  `maxminddb:"time_zone"`
	} `maxminddb:"location"`
	Postal struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"postal"`
	Subdivisions []struct {
		ISOCode string            `maxminddb:"iso_code"`
		Names   map[string]string `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
}

// system is the record of an address in an ASN database.
type system struct {
	Number       uint   `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
}

func (o *geoIP) run(r *runner, x *entry, at int) int {
	t, ok := x.values[o.source].text()
	if !ok {
		return at + 1
	}
	ip := net.ParseIP(string(t))
	if ip == nil {
		return at + 1
	}
	put := func(name string, v any) {
		if made, ok := valueOf(v, nil); ok && len(made.bytes) > 0 {
			r.set(x, name, made)
		}
	}
	switch o.kind {
	case "asn":
		var s system
		if o.db.Lookup(ip, &s) != nil {
			return at + 1
		}
		if s.Number != 0 {
			put("geoip_autonomous_system_number", s.Number)
		}
		put("geoip_autonomous_system_organization", s.Organization)
	case "city", "country":
		var p place
		if o.db.Lookup(ip, &p) != nil {
			return at + 1
		}
		put("geoip_country_name", p.Country.Names["en"])
		put("geoip_country_code", p.Country.ISOCode)
		put("geoip_continent_name", p.Continent.Names["en"])
		put("geoip_continent_code", p.Continent.Code)
		if o.kind == "country" {
			break
		}
		put("geoip_city_name", p.City.Names["en"])
		put("geoip_postal_code", p.Postal.Code)
		put("geoip_timezone", p.Location.TimeZone)
		if p.Location.Latitude != 0 || p.Location.Longitude != 0 {
			put("geoip_location_latitude", p.Location.Latitude)
			put("geoip_location_longitude", p.Location.Longitude)
		}
		if n := len(p.Subdivisions); n > 0 { // the last one is the most specific
			put("geoip_subdivision_name", p.Subdivisions[n-1].Names["en"])
			put("geoip_subdivision_code", p.Subdivisions[n-1].ISOCode)
		}
	}
	if len(o.custom) == 0 {
		return at + 1
	}
	var record any
	if o.db.Lookup(ip, &record) != nil {
		return at + 1
	}
	for _, s := range o.custom {
		found, err := searchPath(s.path, record)
		if err != nil || found == nil {
			continue
		}
		if v, ok := valueOf(found, nil); ok {
			r.set(x, s.name, v)
		} else {
			r.set(x, s.name, value{kind: null}) // it has no text
		}
	}
	return at + 1
}
