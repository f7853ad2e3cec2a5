// Package queue stores on disk what an endpoint cannot take yet. Bytes go in, come out and are
// acknowledged, whatever their protocol.
//
// Each record has a key, and belongs to the lane whose number is the key modulo the number of lanes. Within
// a lane, records come out in the order in which they went in. The order within a key is kept even if the
// next process has another number of lanes. All lanes share the files and the limit, so that the oldest
// records of all lanes are dropped first.
//
// # What it promises
//
// A record is in its file, by write(2), before Append returns, and so is an acknowledgement before Ack
// returns: after a kill -9, exactly the records that were appended and not acknowledged come out again, in
// order. Nothing is synced. If the machine itself fails, the last seconds may be missing or come out again;
// torn records are cut off at the next Open, which logs that. Damage never prevents a start; only the
// damaged records are lost. A segment of another version does prevent it, because skipping it would lose
// records silently.
//
// If the disk is full, read-only or broken, Append returns an error and adds nothing. Existing records
// stay, and the next Append that finds room succeeds.
//
// The queue takes at most MaxBytes on disk, plus the file system's overhead for one file, plus one segment
// while records are moved (AppendMoved). In memory it takes 24 bytes per waiting record: 512 MiB of records
// of 16 KiB are 32,768 records, or 768 KiB. Space is freed by segment: a lane that stands still retains the
// segments with its records, including what other lanes have delivered from them.
//
// # Files
//
// A segment is a file NUMBER.segment of about 4 MiB. NUMBER has 16 hex digits and only increases. Integers
// are little-endian.
//
//	segment   8 "lighterQ" | 4 version | 4 CRC-32C of these twelve | records
//	record    3 marker | 1 state | 4 length | 4 items | 8 key | 8 time, Unix ms |
//	          4 CRC-32C of the body | 4 CRC-32C of all from length to here | body
//
// The state is the only byte that changes: an acknowledgement overwrites it in place. That requires no room
// on a full disk, no second file that must agree with the first, and no cleaning up. The last checksum
// depends on the segment's number and the record's offset, so that a copy of a record elsewhere, for
// instance in a body, is not valid. The first sixteen bytes are the same in all future versions.
//
// A segment is deleted when all of its records are acknowledged; the active one, too, once it has some
// size. Files with other names are ignored.
//
// # Why not a library
//
// Prometheus's tsdb/wlog has no acknowledgements, leaves half a record behind when the disk is full, and
// repairs by deleting everything after the damage. nsqio/go-diskqueue has no checksums, counts a record as
// done when it is read, and writes its positions from time to time, so that a kill repeats and loses
// records. VictoriaMetrics's lib/persistentqueue does the same, buffers its writes, exits the process when
// a write fails, and drops the whole queue when its positions cannot be read.
//
// # Use
//
// Exporters use one Queue per endpoint. All methods may be called from any goroutine, but Next only by one
// per lane at a time. All but Next wait for nothing but the disk. A Queue has no goroutines. The caller
// must make sure that no other Queue or process uses the directory.
package queue
