package syslog

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/prometheus/prometheus/model/labels"
)

// The labels that messages have for the relabel rules, with those of parsed messages.
const (
	labelAddress  = "__syslog_connection_ip_address"
	labelHostname = "__syslog_connection_hostname"
	labelMessage  = "__syslog_message_"
)

// receiver makes entries of the messages of one connection, or of all datagrams.
type receiver struct {
	l       *listener
	machine syslog.Machine // nil for raw messages
	builder *labels.Builder
}

func newReceiver(l *listener) *receiver {
	r := &receiver{l: l, builder: labels.NewBuilder(labels.EmptyLabels())}
	switch l.Format {
	case RFC5424:
		r.machine = rfc5424.NewMachine(rfc5424.WithBestEffort())
	case RFC3164:
		// What ends a message is known, so that it may have newlines.
		options := []syslog.MachineOption{rfc3164.WithBestEffort(), rfc3164.WithEmbeddedNewlines()}
		for _, o := range []struct {
			on     bool
			option syslog.MachineOption
		}{
			{l.Cisco.MessageCounter, rfc3164.WithMessageCounter()},
			{l.Cisco.SequenceNumber, rfc3164.WithSequenceNumber()},
			{l.Cisco.Hostname, rfc3164.WithCiscoHostname()},
			{l.Cisco.SecondFractions, rfc3164.WithSecondFractions()},
		} {
			if o.on {
				options = append(options, o.option)
			}
		}
		r.machine = rfc3164.NewMachine(options...)
	}
	return r
}

// connection returns the labels of all messages of a connection, or of a datagram.
func (r *receiver) connection(ctx context.Context, address string) labels.Labels {
	r.builder.Reset(r.l.Labels)
	r.builder.Set(labelAddress, address)
	if names := r.l.s.names; names != nil {
		r.builder.Set(labelHostname, names.of(ctx, address))
	}
	return r.builder.Labels()
}

// receive reads messages to the end and adds an entry of each. It returns why it has ended.
func (r *receiver) receive(ctx context.Context, f *framer, connection labels.Labels) error {
	for {
		message, cut, err := f.next()
		if err != nil {
			return err
		}
		if cut {
			r.l.s.o.Metrics.cut.Inc()
		}
		if err := r.take(ctx, bytes.TrimRight(message, "\r\n"), connection); err != nil {
			return err
		}
	}
}

// take adds an entry of a message. An error is ctx's.
func (r *receiver) take(ctx context.Context, text []byte, connection labels.Labels) error {
	s := r.l.s
	base, line, err := r.parse(text, connection)
	switch {
	case err != nil:
		s.o.Metrics.errors.Inc()
		r.l.complain("messages cannot be parsed as "+r.l.Format+", and are left out: is the format of the listener that of its senders?", err, connection.Get(labelAddress))
		return nil
	case base.Message == nil || *base.Message == "":
		s.o.Metrics.empty.Inc()
		if !r.l.AllowEmpty || r.l.Format != RFC5424 {
			return nil
		}
	}
	stream := s.streams.Get(r.builder.Labels(), "")
	if stream == nil {
		return nil // a rule drops it
	}
	at := s.clock.Next()
	if own := base.Timestamp; own != nil && r.l.UseIncomingTimestamp {
		at = r.time(*own, at)
	}
	if err := s.gatherer.add(ctx, stream, at, []byte(line)); err != nil {
		s.gatherer.failed(1)
		return err
	}
	s.o.Metrics.entries.Inc()
	return nil
}

// parse returns what a message says and its line, and sets its labels in r.builder.
func (r *receiver) parse(text []byte, connection labels.Labels) (base *syslog.Base, line string, err error) {
	r.builder.Reset(connection)
	if r.machine == nil {
		base = &syslog.Base{}
		line = rawLine(text, base)
		base.Message = &line
		r.set(base)
		return base, line, nil
	}
	message, err := r.machine.Parse(text)
	if err != nil {
		return nil, "", err
	}
	switch m := message.(type) {
	case *rfc5424.SyslogMessage:
		base = &m.Base
		r.set(base)
		if r.l.LabelStructuredData && m.StructuredData != nil {
			for id, params := range *m.StructuredData {
				for name, value := range params {
					r.builder.Set(labelMessage+"sd_"+strings.ReplaceAll(id, "@", "_")+"_"+name, strings.ToValidUTF8(value, "\uFFFD"))
				}
			}
		}
		if r.l.UseRFC5424Message {
			if whole, err := m.String(); err == nil {
				return base, whole, nil
			}
		}
	case *rfc3164.SyslogMessage:
		base = &m.Base
		r.set(base)
	}
	if base.Message != nil {
		line = *base.Message
	}
	return base, line, nil
}

// set sets the labels that messages of all formats may have.
func (r *receiver) set(m *syslog.Base) {
	text := func(name string, v *string) {
		if v != nil {
			r.builder.Set(labelMessage+name, *v)
		}
	}
	number := func(name string, v *uint32) {
		if v != nil {
			r.builder.Set(labelMessage+name, strconv.FormatUint(uint64(*v), 10))
		}
	}
	text("severity", m.SeverityLevel())
	text("facility", m.FacilityLevel())
	text("hostname", m.Hostname)
	text("app_name", m.Appname)
	text("proc_id", m.ProcID)
	text("msg_id", m.MsgID)
	number("msg_counter", m.MessageCounter)
	number("sequence", m.Sequence)
}

// rawLine returns a line without the priority that it may begin with, which is set in base.
func rawLine(text []byte, base *syslog.Base) string {
	text = bytes.TrimSpace(text)
	if rest, ok := bytes.CutPrefix(text, []byte("<")); ok {
		number, line, ok := bytes.Cut(rest, []byte(">"))
		priority, err := strconv.ParseUint(string(number[:min(len(number), 4)]), 10, 8)
		if ok && err == nil && len(number) < 4 {
			base.ComputeFromPriority(uint8(priority))
			text = bytes.TrimSpace(line)
		}
	}
	return string(text)
}

// time returns the time that a message has given itself, in Unix nanoseconds, or arrival if that cannot be said
// so: RFC3164 has no year.
func (r *receiver) time(own time.Time, arrival int64) int64 {
	if own.Year() == 0 && r.l.RFC3164DefaultToYear {
		own = withYear(own, time.Unix(0, arrival))
	}
	if own.Before(time.Unix(0, math.MinInt64)) || own.After(time.Unix(0, math.MaxInt64)) {
		return arrival
	}
	return own.UnixNano()
}

// withYear returns a time of the year 0 in the year in which it is near now: around the turn of the year,
// December and January are of different ones.
func withYear(t, now time.Time) time.Time {
	year := now.Year()
	switch {
	case t.Month() == time.December && now.Month() == time.January:
		year--
	case t.Month() == time.January && now.Month() == time.December:
		year++
	}
	return t.AddDate(year, 0, 0)
}
