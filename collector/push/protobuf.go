package push

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"lighter"
)

// The numbers of the fields in Loki's push.proto.
const (
	requestStreams = 1

	streamLabels  = 1
	streamEntries = 2

	entryTime     = 1
	entryLine     = 2
	entryMetadata = 3

	timeSeconds = 1
	timeNanos   = 2

	fieldName  = 1
	fieldValue = 2
)

// field is one field of a message: its number and its value, which is a number or bytes.
type field struct {
	number protowire.Number
	varint uint64
	bytes  []byte // nil for a field that is a number
}

// eachField calls f for each field of a message. It skips fields of other wire types, which push.proto does not use.
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		one := field{number: number}
		switch kind {
		case protowire.VarintType:
			one.varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			one.bytes, n = protowire.ConsumeBytes(b)
		default:
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

// decodeProtobuf adds the entries of a push request. Their lines are parts of body.
func decodeProtobuf(body []byte, t *taken) error {
	streams := 0
	return eachField(body, func(f field) error {
		if f.number != requestStreams || f.bytes == nil {
			return nil
		}
		streams++
		if err := decodeStream(f.bytes, t); err != nil {
			return fmt.Errorf("stream %d: %w", streams, err)
		}
		return nil
	})
}

func decodeStream(b []byte, t *taken) error {
	var text []byte
	if err := eachField(b, func(f field) error {
		if f.number == streamLabels && f.bytes != nil {
			text = f.bytes
		}
		return nil
	}); err != nil {
		return err
	}
	if set, err := parseLabels(string(text)); err != nil {
		t.refuse(fmt.Errorf("the labels %.200q cannot be read: %w", text, err))
	} else {
		t.begin(set, true)
	}
	return eachField(b, func(f field) error {
		if f.number != streamEntries || f.bytes == nil {
			return nil
		}
		return decodeEntry(f.bytes, t)
	})
}

func decodeEntry(b []byte, t *taken) error {
	var line []byte
	var at int64
	has := false
	var fields []lighter.Field
	if err := eachField(b, func(f field) (err error) {
		switch {
		case f.bytes == nil:
		case f.number == entryTime:
			at, err = decodeTime(f.bytes)
			has = true
		case f.number == entryLine:
			line = f.bytes
		case f.number == entryMetadata:
			var one lighter.Field
			one, err = decodeField(f.bytes)
			fields = append(fields, one)
		}
		return err
	}); err != nil {
		return fmt.Errorf("entry %d: %w", t.entries+1, err)
	}
	return t.add(t.time(at, has), line, fields)
}

// maxSeconds is the first second since 1970 that has nanoseconds beyond what 64 bits can count.
const maxSeconds = math.MaxInt64 / int64(time.Second)

var errTime = errors.New("its time is outside of the range that Loki can store")

func decodeTime(b []byte) (int64, error) {
	var seconds, nanos int64
	if err := eachField(b, func(f field) error {
		switch {
		case f.bytes != nil:
		case f.number == timeSeconds:
			seconds = int64(f.varint)
		case f.number == timeNanos:
			nanos = int64(int32(f.varint))
		}
		return nil
	}); err != nil {
		return 0, err
	}
	if nanos < 0 || nanos >= 1e9 || seconds >= maxSeconds || seconds <= -maxSeconds {
		return 0, errTime
	}
	return seconds*1e9 + nanos, nil
}

func decodeField(b []byte) (one lighter.Field, err error) {
	err = eachField(b, func(f field) error {
		switch {
		case f.bytes == nil:
		case f.number == fieldName:
			one.Name = string(f.bytes)
		case f.number == fieldValue:
			one.Value = f.bytes
		}
		return nil
	})
	return one, err
}
