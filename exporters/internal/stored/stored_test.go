package stored_test

import (
	"bytes"
	"errors"
	"testing"

	"lighter/exporters/internal/stored"
)

// FuzzParse: what was appended is parsed unchanged; other bytes are parsed or refused, but cause no panic.
func FuzzParse(f *testing.F) {
	f.Add("team-a", []byte("body"), 1000)
	f.Add("", []byte{}, 0)
	f.Add("\x02\x01\x09", []byte("\x02\x01\x7f"), 1)
	f.Fuzz(func(t *testing.T, tenant string, body []byte, items int) {
		items = max(items, 0)
		record := stored.Append(nil, stored.Header{Items: items, Tenant: tenant}, body)
		h, got, err := stored.Parse(record, items)
		if err != nil || h.Items != items || h.Tenant != tenant || !bytes.Equal(got, body) {
			t.Errorf("%+v, %q, err = %v", h, got, err)
		}
		if _, _, err := stored.Parse(record, items+1); !errors.Is(err, stored.ErrFormat) {
			t.Errorf("of another number of items: %v", err)
		}
		if h, got, err := stored.Parse(body, items); err == nil && (h.Items != items || !bytes.HasSuffix(body, append([]byte(h.Tenant), got...))) {
			t.Errorf("%q is read as %+v and %q", body, h, got)
		}
	})
}

func TestParseOtherForms(t *testing.T) {
	for name, record := range map[string]string{
		"nothing":              "",
		"flags and a block":    "\x00\x05\x10hello",
		"flags, start times":   "\x01\x05\x10hello",
		"the length of a body": "\x80\x02hello",
		"a later version":      "\x03\x05\x00hello",
		"no tenant":            "\x02\x05",
		"a tenant that is cut": "\x02\x05\x07team",
	} {
		if _, _, err := stored.Parse([]byte(record), 5); !errors.Is(err, stored.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
