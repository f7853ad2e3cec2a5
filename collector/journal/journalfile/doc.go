// Package journalfile reads the files of systemd's journal.
//
// A File is one of them. It is read in place, by pread, while journald writes to it: Refresh finds the entries that
// are complete by now, which do not change any more. Every offset and every size is checked before it is used, so a
// file that is damaged, truncated or only half written results in errors for what cannot be read, and the rest of it
// is still read.
//
// The format is described at https://systemd.io/JOURNAL_FILE_FORMAT. Plain and keyed hashes, the compact and the older
// form, and fields compressed with LZ4 or Zstandard are supported. A field compressed with XZ, which is what systemd
// before version 246 used if it was built without LZ4, results in ErrXZ.
package journalfile
