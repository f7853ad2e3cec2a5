// Package syslog receives syslog messages over TCP and UDP, as Alloy's loki.source.syslog does, and hands them on
// as log entries.
//
// The header of a message becomes labels __syslog_message_…, and its connection becomes labels
// __syslog_connection_…. The relabel rules of the source see these labels. Afterwards all labels that begin with
// two underscores are removed. A message that a rule drops is not sent.
//
// # Messages and framing
//
// The first message of a TCP connection shows how the messages are framed (RFC 6587). If it begins with a number
// and a space, each message has its length in front (octet counting); otherwise each message ends with a newline.
// In the second case, lines that do not begin with the < of a priority belong to the message before them. A
// message is handed on when its newline has come and nothing follows for a moment; it does not wait for the next
// message. A message that is longer than MaxMessageBytes is cut there. Messages that cannot be parsed are counted
// and left out, which is logged when it begins and every ten minutes while it lasts.
//
// # What may be lost
//
// Senders of syslog get no answer. While the endpoints have no room, TCP connections are not read, so that their
// senders wait. Up to four megabytes of UDP messages wait in memory; further ones are dropped and counted. When
// the Server stops, it reads what has arrived by then, for up to a second. Messages that the endpoints have no
// room for within two seconds are lost, also those that stages hold back, and the log says how many these are.
package syslog
