// Package journal reads the journal of systemd.
//
// A Tailer follows all files of the journal and hands their entries on in journalctl's order: entries whose
// sequence numbers the same journald counts go by those, other entries of one boot by the clock of the boot,
// and entries of different boots by their times. So the order within a boot does not depend on the clock of the
// machine, which may be set while it runs. The files are read as they are, without libsystemd, while journald
// writes to them.
//
// An entry becomes a line as Alloy's loki.source.journal makes one of it: its text is the field MESSAGE, or all
// fields as a JSON object, its time is when journald took it, and rules make its labels of labels __journal_…
// that its fields become. An entry without a text, and one that a rule drops or leaves no label, is left out.
//
// The Tailer's position moves when the lines are acknowledged. It is, for every source of sequence numbers, the
// last entry that is delivered: files are renamed and new ones come, and nothing is lost by that or sent twice. It
// also says which part of the runtime journal, the one below /run, is delivered. journald copies that journal to
// the disk once the disk can be written and deletes it, and what is delivered is known again in the copy, whether
// the Tailer runs meanwhile or not.
//
// When Logs has no room the Tailer stops reading, and journald does not wait for that.
//
// What cannot be read in a file is logged once and left out. A Tailer takes about 1 MiB of memory while it
// reads, beside the batches that it hands on and what it remembers of labels, and gives that back while nothing
// is written.
package journal
