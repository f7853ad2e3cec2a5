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

	"lighter/collector/internal/year"
)

// The labels that the relabel rules see.
const (
	labelAddress  = "__syslog_connection_ip_address"
	labelHostname = "__syslog_connection_hostname"
	labelMessage  = "__syslog_message_" // the prefix of the labels that are taken from a message
)

// receiver makes entries of the messages of one connection, or of all datagrams of a listener.
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
		// The framer has found the end of the message, so there may be newlines in it.
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

// connection returns the labels that all messages of a connection or of a datagram have.
func (r *receiver) connection(ctx context.Context, address string) labels.Labels {
	r.builder.Reset(r.l.Labels)
	r.builder.Set(labelAddress, address)
	if names := r.l.s.names; names != nil {
		r.builder.Set(labelHostname, names.of(ctx, address))
	}
	return r.builder.Labels()
}

// receive reads all messages and adds an entry for each. It returns the error that ended the reading, which is io.EOF
// at a regular end.
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

// take adds an entry for a message. An error is that of ctx.
func (r *receiver) take(ctx context.Context, text []byte, connection labels.Labels) error {
	s := r.l.s
	base, line, err := r.parse(text, connection)
	switch {
	case err != nil:
		s.o.Metrics.errors.Inc()
		r.l.complain("messages cannot be parsed as "+r.l.Format+" and are left out; check that the senders use the format of the listener", err, connection.Get(labelAddress))
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

// parse parses a message. It returns its header and the line of its entry, and sets the labels in r.builder.
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

// set sets the labels that a message of any format may have.
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

// rawLine returns a line without the priority that it may begin with. The priority is set in base.
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

// time returns the time of a message in Unix nanoseconds. It returns arrival if the time of the message is outside of
// what these can express. So is each time without a year, as RFC3164 has it.
func (r *receiver) time(own time.Time, arrival int64) int64 {
	if own.Year() == 0 && r.l.RFC3164DefaultToYear {
		own = year.Nearest(own, time.Unix(0, arrival))
	}
	if own.Before(time.Unix(0, math.MinInt64)) || own.After(time.Unix(0, math.MaxInt64)) {
		return arrival
	}
	return own.UnixNano()
}
