package process

import (
	"strconv"
	"time"
	"unsafe"
)

// kind is the kind of an extracted value.
type kind uint8

const (
	absent kind = iota
	null        // present, but without a text
	text
	number
	boolean
)

// value is an extracted value.
type value struct {
	kind  kind
	bytes []byte // the text, in memory of the entry's batch or in memory that nobody changes
}

// text returns the value as text. ok is false for one that is absent or null.
func (v value) text() (_ []byte, ok bool) { return v.bytes, v.kind >= text }

// float returns the value as a number. A duration is converted to seconds.
func (v value) float() (float64, bool) {
	switch v.kind {
	case number:
		f, err := strconv.ParseFloat(borrow(v.bytes), 64)
		return f, err == nil
	case boolean:
		if string(v.bytes) == "true" {
			return 1, true
		}
		return 0, true
	case text:
		if f, err := strconv.ParseFloat(borrow(v.bytes), 64); err == nil {
			return f, true
		}
		d, err := time.ParseDuration(borrow(v.bytes))
		return d.Seconds(), err == nil
	}
	return 0, false
}

// borrow returns the bytes as a string without copying them. The string must not be used longer than the
// bytes.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// valueOf converts a value from a library, and appends its text to scratch. ok is false for objects and
// arrays.
func valueOf(v any, scratch []byte) (_ value, ok bool) {
	switch v := v.(type) {
	case nil:
		return value{kind: null}, true
	case string:
		return value{text, append(scratch, v...)}, true
	case bool:
		return value{boolean, strconv.AppendBool(scratch, v)}, true
	case float64:
		return value{number, appendFloat(scratch, v)}, true
	case float32:
		return value{number, strconv.AppendFloat(scratch, float64(v), 'f', -1, 32)}, true
	case int:
		return value{number, strconv.AppendInt(scratch, int64(v), 10)}, true
	case int32:
		return value{number, strconv.AppendInt(scratch, int64(v), 10)}, true
	case int64:
		return value{number, strconv.AppendInt(scratch, v, 10)}, true
	case uint:
		return value{number, strconv.AppendUint(scratch, uint64(v), 10)}, true
	case uint16:
		return value{number, strconv.AppendUint(scratch, uint64(v), 10)}, true
	case uint32:
		return value{number, strconv.AppendUint(scratch, uint64(v), 10)}, true
	case uint64:
		return value{number, strconv.AppendUint(scratch, v, 10)}, true
	}
	return value{}, false
}

// appendFloat appends a number as Alloy formats one that it has read as a float64.
func appendFloat(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'f', -1, 64) }
