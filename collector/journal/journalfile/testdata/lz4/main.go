// Command lz4 writes a journal file whose long fields are compressed by LZ4.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
)

func main() {
	w, err := journaltest.Create(os.Args[1], journaltest.Options{Compact: true, Compress: "lz4", File: journalfile.ID{1}, Source: journalfile.ID{2}})
	if err != nil {
		log.Fatal(err)
	}
	for i := range uint64(60) {
		n := int(i)
		message := fmt.Sprintf("entry %d %s and its end", n, strings.Repeat("=", 40*n))
		if n%3 == 0 {
			message = strings.Repeat(fmt.Sprintf("%x", 1000*n), n) + message + strings.Repeat("z", 300)
		}
		err := w.Append(journaltest.Entry{Seqnum: i + 1, Realtime: 1_767_225_600_000_000 + 1000*i, Monotonic: 5000 + 1000*i, Boot: journalfile.ID{3}, Fields: []string{
			"_BOOT_ID=" + journalfile.ID{3}.String(), "PRIORITY=" + fmt.Sprint(n%8), "MESSAGE=" + message}})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Archive(); err != nil {
		log.Fatal(err)
	}
}
