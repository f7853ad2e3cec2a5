// Package queue keeps on disk what an endpoint could not take yet. Bytes go in, come out
// and are acknowledged; which protocol they are of it does not know.
//
// Records go in with a key. Keys fall into lanes, a record's being its key modulo the number
// of lanes; within a lane records come out in the order they went in, and a key's order
// holds even when the next process has another number of lanes. All lanes share the files
// and the limit, so that "oldest first" is over all of them.
//
// # What it promises
//
// A record is in its file, by write(2), before Append returns, and an acknowledgement
// before Ack returns: after a kill -9 exactly what was appended and not acknowledged comes
// again, in order. Nothing is synced. When the machine itself dies, the last seconds may be
// missing, or come again; what that leaves torn is cut at the next Open and said in a line.
// Damage never fails a start, it costs the records that it hit. Only a segment of another
// version does, because to skip it would lose it in silence.
//
// A disk that is full, read-only or broken makes Append return an error and take nothing.
// What is there stays, and the next Append that finds room succeeds.
//
// Disk use is at most MaxBytes, what one file more than that needs in the file system's
// own books, and, while records are moved (AppendMoved), a segment more. Memory is 24 bytes for
// each record that waits: 512 MiB of records of 16 KiB are 32,768 of them, 768 KiB.
// Space is won back by segment: a lane that stands still holds the segments that its
// records are in, with what other lanes have delivered from them.
//
// # Files
//
// A segment is a file NUMBER.segment of about 4 MiB, NUMBER being 16 hex digits that only
// grow. Integers are little-endian.
//
//	segment   8 "lighterQ" | 4 version | 4 CRC-32C of these twelve | records
//	record    3 marker | 1 state | 4 length | 4 items | 8 key | 8 time, Unix ms |
//	          4 CRC-32C of the body | 4 CRC-32C of all from length to here | body
//
// The state is the one byte that changes: an acknowledgement overwrites it where it stands.
// That needs no room on a full disk, no second file that must agree with the first, and
// nothing to be tidied up. The last checksum starts from the segment's number and the
// record's offset, so that a copy of a record, in a body for instance, is none. The first
// sixteen bytes are the same in all versions to come.
//
// A segment is deleted when all of its records are acknowledged, the one that is being
// written too once it has some size. Files of other names are left alone.
//
// # Why not a library
//
// Prometheus' tsdb/wlog has no acknowledgements, leaves half a record behind when the disk
// is full, and repairs by deleting all that comes after the damage. nsqio/go-diskqueue has
// no checksums, counts a record as done when it is read, and writes its positions from time
// to time, so that a kill repeats and loses. VictoriaMetrics' lib/persistentqueue does
// the same, buffers what it writes, ends the process when a write fails, and gives
// up the whole queue when its positions cannot be read.
//
// # Who calls it
//
// Exporters, one Queue an endpoint. All methods may be called from any goroutine, Next by
// one a lane at a time. All but Next wait for the disk at most. A Queue has no goroutines.
// The directory belongs to it alone; that no other process has it is its owner's to see to.
package queue
