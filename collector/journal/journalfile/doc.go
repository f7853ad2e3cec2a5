// Package journalfile reads the files of systemd's journal.
//
// A File is one of them. It is read in place, by pread, while journald writes to it: Refresh takes note of the
// entries that are whole by now, and what those are made of does not change any more. Every offset and every
// size is checked before it is used, so a file that is damaged, cut short or only half written gives errors for
// what cannot be read, and the rest of it is still read.
//
// The format is described at https://systemd.io/JOURNAL_FILE_FORMAT. Files with plain and keyed hashes, in the
// compact and the older form, and with fields that are compressed by LZ4 or Zstandard are read. A field that is
// compressed by XZ, as systemd did by default before version 246 where it was built without LZ4, is not: it
// gives ErrXZ.
package journalfile
