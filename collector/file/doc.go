// Package file reads text files, a line an entry, and finds files by glob patterns. It does what Alloy's
// loki.source.file and local.file_match do.
//
// A Tailer follows one path. A file that is renamed is read to its end before the next one is begun, also
// when that happened while nobody read; the files in between, such as app.log.1 after app.log.2, are read
// too. A file that is copied and cut off (logrotate's copytruncate) is read on in the copy, if there is one
// in its directory. A file that is deleted and made again, or that does not exist yet, is read when it is
// there.
//
// # Times
//
// The time of an entry is when it was read, as with Alloy. To be exact: for the lines of one read the Tailer
// writes down an anchor, which is a place in the file and the clock's time, and a line's time is the anchor's
// and a nanosecond for each byte from there to the end of the line. So no two lines of a path have the same
// time, the times have the order of the lines, and what is read again has the times of before: an anchor is
// on disk before a line that depends on it is handed on. While more than 128 reads wait for their
// acknowledgement there are no new anchors, and later lines have times a little after the last one's.
//
// # What is exact
//
// A file is known by its device and inode, by a sum of its first bytes and by one of the bytes before the
// position. After kill -9 reading goes on at the position, and lines that are sent twice are the same entries:
// same time, same text. There are these exceptions:
//   - A last line without a newline is handed on when its file is rotated away, or when it has not grown for
//     a minute. If it grows afterwards, its rest is a line of its own, and if the agent is killed before the
//     first part is acknowledged, the whole line is sent after the part.
//   - Lines that are written to a file after it was copied and before it is cut off are lost with
//     copytruncate. So are the lines that were not read yet if the copy is packed at once, and those of a file
//     that is deleted, or cut off without a copy, while it is not open.
//   - A file that was made anew with the same bytes up to the position is taken for the same one.
//   - A copy is looked for if 64 bytes of the file, or more, were read before it was cut off.
//   - A renamed file that has no successor, or an empty one, is read on for as long as it is written, but not
//     after it was quiet for a minute. What was rotated before the path was ever seen is not read.
//   - Of several files that were rotated between two looks, with numbers behind their names, those are read that
//     were written after the one read last. One that was written before it, because its writer kept that open,
//     is left out; so are those with other names, such as app-1.log.
//
// # Cost
//
// A quiet file costs a goroutine and no buffer, and after a minute no file descriptor; one inotify.Watcher per
// process wakes Tailers. Where inotify does not tell of writes, as with network file systems, a file is
// looked at by the clock. A busy file is not read line by line but twice a second. Reads bounds how many files
// are read at a time.
package file
