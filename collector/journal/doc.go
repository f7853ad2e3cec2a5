// Package journal reads the journal of systemd.
//
// A Tailer follows all files of the journal and passes their entries on in journalctl's order: entries with
// sequence numbers from the same source are ordered by these, other entries of one boot by the monotonic clock,
// and entries of different boots by their times. So the order within a boot does not depend on the wall clock,
// which may be set while the machine runs. The files are read directly, without libsystemd, while journald writes
// to them.
//
// An entry becomes a line as in Alloy's loki.source.journal: the text is the field MESSAGE, or all fields as a JSON
// object, the time is when journald received it, and its labels come from relabel rules, which see the fields as
// labels __journal_…. An entry without a text, and one that a rule drops or leaves without labels, is dropped.
//
// The Tailer's position moves when the lines are acknowledged. It holds the last delivered entry of every source
// of sequence numbers, so nothing is lost or sent twice when files are renamed or created. It also says which part
// of the runtime journal, the one below /run, is delivered. Once the disk can be written, journald copies that
// journal to the disk and deletes it. The delivered entries are recognised in the copy, whether the Tailer runs at
// that time or not.
//
// When Logs has no room, the Tailer stops reading. journald does not wait for it.
//
// What cannot be read in a file is logged once and skipped. A Tailer takes about 1 MiB of memory while it reads,
// beside its batches and a cache of labels, and releases it while nothing is written.
package journal
