// Package filelog reads the logs of containers from the json-file driver's files.
//
// A Tailer follows one container's log and hands its lines on exactly as one of package
// dockerlog does, with the same times, order, positions and ends. So a container can
// change from one to the other between two runs without loss or repetition. Reading files saves
// the Engine's work, which is more than that of any agent.
//
// The Engine appends to the file <id>-json.log. It renames files that are full to .1, .2 and so on, of
// which the highest is the oldest, and packs them as .gz if it is told to. A Tailer holds the file that it
// reads open, and when it falls behind it holds the newer ones open too, so that rotation takes nothing
// from it. A file that the Engine deletes before the Tailer has opened it is lost. While it runs, a Tailer
// knows a file by its inode. After a restart it knows a file by the bytes before its position
// (position.Bookmark), and without a bookmark it goes by the times of the lines.
//
// When Logs has no room the Tailer stops reading, and nobody else waits for that.
//
// A quiet log costs no memory for reading, and no periodic work but a look every few seconds:
// one Watcher a process wakes Tailers by inotify. A busy log is not read line by line but
// twice a second.
package filelog
