package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// jsonRequest is a push request in JSON.
type jsonRequest struct {
	Streams []struct {
		Stream map[string]jsonText `json:"stream"`
		Values []jsonEntry         `json:"values"`
	} `json:"streams"`
}

// jsonText is the value of a label: a string, or the text of a number or a boolean, as Loki takes it.
type jsonText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *jsonText) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '{', '[':
		return errors.New("the value of a label is not a string")
	case '"':
		return json.Unmarshal(b, (*string)(t))
	}
	*t = jsonText(b)
	return nil
}

// jsonEntry is an array of a time, a line and, if there is any, structured metadata.
type jsonEntry struct {
	null   bool // the entry is null, and left out as Loki leaves it out
	time   int64
	line   string
	fields map[string]string
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *jsonEntry) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		e.null = true
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil || len(parts) < 2 {
		return errors.New("an entry is not an array of a time and a line")
	}
	text := string(bytes.Trim(parts[0], `"`))
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("the time %.40q of an entry is not a number of nanoseconds", text)
	}
	e.time = at
	if parts[1][0] != '"' {
		return fmt.Errorf("the line %.40q of an entry is not a string", parts[1])
	}
	if err := json.Unmarshal(parts[1], &e.line); err != nil {
		return err
	}
	if len(parts) < 3 {
		return nil
	}
	var fields map[string]*string // pointers, because a null would be decoded into an empty string
	err = json.Unmarshal(parts[2], &fields)
	if err != nil || parts[2][0] != '{' {
		return fmt.Errorf("the structured metadata %.100q of an entry is not an object of strings", parts[2])
	}
	e.fields = make(map[string]string, len(fields))
	for name, value := range fields {
		if value == nil {
			return fmt.Errorf("the structured metadata %.100q of an entry is not an object of strings", parts[2])
		}
		e.fields[name] = *value
	}
	return nil
}

// decodeJSON adds the entries of a push request.
func decodeJSON(body []byte, t *taken) error {
	var req jsonRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	for _, stream := range req.Streams {
		if set, err := labelsOf(stream.Stream); err != nil {
			t.refuse(err)
		} else {
			t.begin(set, true)
		}
		for _, e := range stream.Values {
			if e.null {
				continue
			}
			if err := t.add(t.time(e.time, true), []byte(e.line), fieldsOf(e.fields)); err != nil {
				return err
			}
		}
	}
	return nil
}

func labelsOf(m map[string]jsonText) (labels.Labels, error) {
	b := labels.NewScratchBuilder(len(m))
	for name, value := range m {
		if _, rest, err := labelName(name); err != nil || rest != "" {
			return labels.EmptyLabels(), fmt.Errorf("%.100q is not the name of a label", name)
		}
		if value != "" { // a label with an empty value is the same as no label
			b.Add(name, string(value))
		}
	}
	b.Sort()
	return b.Labels(), nil
}

// fieldsOf returns structured metadata sorted by name, so that the same request always gives the same entries.
func fieldsOf(m map[string]string) []lighter.Field {
	if len(m) == 0 {
		return nil
	}
	fields := make([]lighter.Field, 0, len(m))
	for name, value := range m {
		fields = append(fields, lighter.Field{Name: name, Value: []byte(value)})
	}
	slices.SortFunc(fields, func(a, b lighter.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

// decodeRaw adds each line of body, which the entries share, as an entry. It leaves empty lines out.
func decodeRaw(body []byte, t *taken) error {
	t.buffer = cap(body)
	t.begin(t.s.o.Labels, false)
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		if err := t.add(t.s.clock.Next(), line, nil); err != nil {
			return err
		}
	}
	return nil
}
