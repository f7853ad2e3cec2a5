package loki

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// progress is how far the oldest request on disk is delivered, which is more than not at all
// only if it was too large and went out in parts. A file beside the queue's has it, so that the
// next process does not send again what the endpoint has. A file that is lost or torn, or
// cannot be written, costs no more than that, so nobody hears of it.
type progress struct {
	path    string
	sum     uint32 // of the request, CRC-32C
	length  int    // of it, bytes
	entries int    // its first ones, which are delivered; 0 if there is no such request
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// loadProgress returns what the file in dir says.
func loadProgress(dir string) progress {
	p := progress{path: filepath.Join(dir, "progress")}
	text, err := os.ReadFile(p.path)
	if err != nil {
		return p
	}
	read := p
	if _, err := fmt.Sscanf(string(text), "%d %d %d .", &read.sum, &read.length, &read.entries); err != nil { // the dot: it is whole
		return p
	}
	return read
}

// of returns how many entries of a request are delivered.
func (p *progress) of(body []byte) int {
	if p.entries == 0 || p.length != len(body) || p.sum != crc32.Checksum(body, castagnoli) {
		return 0
	}
	return p.entries
}

// save notes that the first entries of a request are delivered.
func (p *progress) save(body []byte, entries int) {
	p.sum, p.length, p.entries = crc32.Checksum(body, castagnoli), len(body), entries
	_ = os.WriteFile(p.path, fmt.Appendf(nil, "%d %d %d .\n", p.sum, p.length, p.entries), 0o600)
}

// clear forgets the request, which has left the disk.
func (p *progress) clear() {
	if p.entries > 0 {
		p.entries = 0
		_ = os.Remove(p.path)
	}
}
