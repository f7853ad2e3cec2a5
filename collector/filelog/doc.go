// Package filelog reads the logs of containers from the json-file driver's files.
//
// A Tailer follows one container's log and hands its lines on exactly as a Tailer of package dockerlog
// does, with the same times, order, positions and ends. So a container can change from one to the other
// between two runs without loss or repetition. Reading files saves the Engine's work, which exceeds that of
// any agent.
//
// The Engine appends to the file <id>-json.log. It renames full files to .1, .2 and so on, where the
// highest number is the oldest, and compresses them to .gz if configured to. A Tailer keeps the file that
// it reads open, and when it falls behind also the newer ones, so that rotation loses nothing. A file that
// the Engine deletes before the Tailer has opened it is lost. While it runs, a Tailer identifies a file by
// its inode. After a restart it identifies a file by the bytes before its position (position.Bookmark);
// without a bookmark it uses the times of the lines.
//
// When Logs has no room, the Tailer stops reading. Nobody else waits for that.
//
// A quiet log costs no memory for reading, and no periodic work except a check every few seconds: one
// inotify.Watcher per process wakes Tailers. A busy log is read twice a second instead of line by line.
package filelog
