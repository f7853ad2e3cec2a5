// Package filelog reads the logs of containers from the json-file driver's files.
//
// A Tailer follows one container's log and hands its lines on exactly as one of package
// dockerlog does: the same lines, times, order, positions and ends, so that a container can
// change from one to the other between two runs without loss or repetition. What it saves is
// the Engine's work, which is more than any agent's.
//
// The files of a log are <id>-json.log, which the Engine appends to, and those that it has
// rotated away, .1, .2 and so on, oldest last, packed as .gz where it is told to. A Tailer
// holds the one that it reads open, and when it falls behind the newer ones too, so that
// rotation takes nothing from it; what is rotated away while it has not come so far as to
// open it is lost, and reported. It knows a file by its inode as long as it runs, and by what
// stands before its position in the file (position.Hint) after a restart; without that it
// finds its place by the time of the lines.
//
// A full Sink stops the reading, and nothing else: nobody waits for a file's reader.
//
// A quiet log costs no memory for reading and no periodic work but a look every few seconds:
// a Watcher, one a process, wakes Tailers by inotify. A busy log is not read line by line but
// in steps of a tenth of a second.
package filelog
