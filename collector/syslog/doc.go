// Package syslog takes syslog messages by TCP and UDP, as Alloy's loki.source.syslog does, and hands them on as
// log entries.
//
// What a message says of itself, and the connection that it came by, are labels __syslog_message_… and
// __syslog_connection_…, which the relabel rules of the source see; labels that begin with two underscores are
// left out afterwards. A message that a rule drops is not sent.
//
// # Messages and framing
//
// The first message of a TCP connection says how the messages are framed (RFC 6587): if it begins with a number
// and a space, each message has its length in front (octet counting), and otherwise each ends with a newline.
// With newlines, lines that do not begin with the < of a priority belong to the message before them. A message
// is handed on when its newline has come and nothing follows for a moment, and does not wait for the next one.
// A message that is longer than MaxMessageBytes is cut there. Messages that cannot be parsed are counted and
// left out; the log says so when it begins.
//
// # What may be lost
//
// Senders of syslog get no answer. While the endpoints have no room a TCP connection is not read, so that its
// sender waits. Of UDP a few megabytes wait in memory, and what comes when these are full is dropped and counted.
// When the Server stops it reads, for up to a second, what has arrived by then; what the endpoints have no room
// for within two seconds is lost, and the log says how many messages that were.
package syslog
