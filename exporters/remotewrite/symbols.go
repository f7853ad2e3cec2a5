package remotewrite

import "hash/maphash"

// symbols is the string table of one remote write 2.0 request. It stores the strings in the form of the
// request, and finds them with its own hash table, because a map would need an allocated string for each.
// Call reset before the first use.
type symbols struct {
	encoded []byte // fields symbols of a Request
	spans   []span // by reference: the location of the string in encoded
	hashes  []uint64
	slots   []uint32 // reference + 1 by hash; 0 means free; the length is a power of two
	seed    maphash.Seed
}

type span struct{ from, to int }

const minSlots = 1 << 10

// reset leaves only the empty string, with which each table begins.
func (s *symbols) reset() {
	if s.slots == nil {
		s.slots = make([]uint32, minSlots)
		s.seed = maphash.MakeSeed()
	}
	clear(s.slots)
	s.encoded, s.spans, s.hashes = s.encoded[:0], s.spans[:0], s.hashes[:0]
	s.ref(nil)
}

// ref returns the reference of a string, adding a copy of the string if it is new.
func (s *symbols) ref(b []byte) uint32 {
	hash := maphash.Bytes(s.seed, b)
	slot := s.find(hash, b)
	if at := s.slots[slot]; at != 0 {
		return at - 1
	}
	s.encoded = appendField(s.encoded, tagV2Symbols, b)
	s.spans = append(s.spans, span{len(s.encoded) - len(b), len(s.encoded)})
	s.hashes = append(s.hashes, hash)
	s.slots[slot] = uint32(len(s.spans))
	if 2*len(s.spans) > len(s.slots) {
		s.grow()
	}
	return uint32(len(s.spans)) - 1
}

// find returns the slot of a string, or the free one where it belongs.
func (s *symbols) find(hash uint64, b []byte) int {
	mask := len(s.slots) - 1
	for slot := int(hash) & mask; ; slot = (slot + 1) & mask {
		at := s.slots[slot]
		if at == 0 {
			return slot
		}
		if ref := at - 1; s.hashes[ref] == hash && string(s.encoded[s.spans[ref].from:s.spans[ref].to]) == string(b) {
			return slot
		}
	}
}

func (s *symbols) grow() {
	s.slots = make([]uint32, 2*len(s.slots))
	mask := len(s.slots) - 1
	for ref, hash := range s.hashes {
		slot := int(hash) & mask
		for s.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		s.slots[slot] = uint32(ref) + 1
	}
}
