// Package file reads text files, whose lines become entries, and finds files by glob patterns. It does the same as
// Alloy's loki.source.file and local.file_match.
//
// A Tailer follows one path. A file that is renamed is read to its end before the next one is begun, even if it
// was renamed while no Tailer was running; the files in between, such as app.log.1 after app.log.2, are read too.
// If a file is copied and truncated (logrotate's copytruncate), reading continues in the copy, if it is in the same
// directory. A file that is deleted and created again, or that does not exist yet, is read as soon as it exists.
//
// # Times
//
// The time of an entry is the time at which it was read, as in Alloy. More precisely, the Tailer stores an anchor
// for the lines of one read, which is an offset in the file and the current time, and the time of a line is the time
// of the anchor plus a nanosecond for each byte from there to the end of the line. So no two lines of a path have
// the same time, the times have the order of the lines, and lines that are read again have the same times as before,
// because an anchor is on disk before a line that depends on it is passed on. While more than 128 reads wait for
// their acknowledgement there are no new anchors, and later lines have times slightly after the last one's.
//
// # Guarantees
//
// A file is identified by its device and inode, by a checksum of its first bytes and by a checksum of the bytes
// before the position. After kill -9 reading continues at the position, and lines that are sent twice are the same
// entries, with the same time and text. There are these exceptions:
//   - A last line without a newline is passed on when its file is rotated, or when it has not grown for a minute.
//     If it grows afterwards, its rest is a separate line, and if the agent is killed before the first part is
//     acknowledged, the whole line is sent after the part.
//   - With copytruncate, lines that are written to a file after it was copied and before it is truncated are lost.
//     So are unread lines if the copy is compressed immediately, and unread lines of a file that is deleted, or
//     truncated without a copy, while it is not open.
//   - A new file with the same bytes up to the position is mistaken for the old one.
//   - A copy is looked for only if at least 64 bytes of the file were read before it was truncated.
//   - A renamed file that has no successor, or an empty one, is read as long as it is written, but not after it was
//     quiet for a minute. Files that were rotated before the path was first seen are not read.
//   - If several files were rotated between two checks, with numbers after their names, only those are read that
//     were written after the file that was read last. A file that was written before it, because its writer kept
//     that file open, is skipped; so are files with other names, such as app-1.log.
//
// # Cost
//
// A quiet file costs a goroutine and no buffer, and after a minute no file descriptor; one inotify.Watcher per
// process wakes Tailers. If inotify does not report writes, as on network file systems, a file is checked at
// intervals. A busy file is not read line by line but twice a second. Reads limits how many files are read at the
// same time.
package file
