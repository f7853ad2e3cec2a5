package redact

import (
	"encoding/binary"
	"math/bits"
)

// A line is examined in words of four bytes, each at a multiple of four. An anchor is a short text in or
// next to every secret of a kind, such as "ghp_". Wherever an anchor occurs, exactly one word covers it, at
// one of four offsets. The windows of an anchor are the four pieces of the anchor and its surroundings that
// such a word may contain. Windows are in groups. For each of the 65,536 pairs of bytes, one table has the
// groups with a window that begins with the pair, and another the groups with a window that ends with it. A
// word matters only if both have a group in common. This searches for all anchors at once with half a table
// look-up per byte, and a window may match many words ("any byte, no letter, g, h").
//
// The tables only say where an anchor may be. A word that matters is then compared with the windows of the
// groups.

// Groups of windows, as bits in the masks.
const (
	tokens    = 0  // the first group of anchors that begin a word
	words     = 4  // the first group of one half of the other anchors
	moreWords = 8  // the first group of the other half
	anyFirst  = 12 // windows with any byte in front
	anyLast   = 13 // windows with any byte at their end
	wideLast  = 14 // windows with any letters and digits at their end
	groups    = 15
	digits    = 1 << 15 // the mask of words of digits, spaces and dashes, for card numbers
	literals  = digits - 1

	maxAnchors = 128
	shortLine  = 1 << 10 // bytes
)

type scanner struct {
	first, second [1 << 16]uint16 // by a word's first two bytes, and by its last two; the first byte is the low one
	windows       [groups][]window
	tokens        map[uint32][]window // windows of the tokens groups, by keyOf
}

// keyOf returns a key made of a group of tokens and two bytes of a word. If the word matches a window of
// the group, these bytes certainly belong to the anchor.
func keyOf(group int, word uint32) uint32 {
	switch group {
	case tokens:
		word >>= 16
	case tokens + 1:
		word >>= 8
	}
	return uint32(group)<<16 | word&0xffff
}

// window is what one word contains of an anchor.
type window struct {
	mask, want uint32 // for a quick check: the word's bits under mask must equal want
	offset     int    // of the word relative to the anchor; may be negative
	index      int    // of the anchor
	anchor     *anchor
}

// anchor is a text that indicates a possible secret.
type anchor struct {
	text    string
	pattern []*set // replaces text
	fold    bool   // text matches in any letter case
	word    bool   // the anchor begins a word (startsWord)
	right   *set   // allowed next bytes; nil means any
	from    int    // the smallest offset of a window
	group   int    // of the first window; the others are in the three groups after it
	rule    rule
	find    finder
	class   *set // the bytes of the token that follows; nil if none does
	min     int  // minimum length of the token in bytes
}

// finder finds the secret that belongs to an anchor at line[at:]. Even if there is none, the span ends
// where the search for the anchor may continue; it may be empty.
type finder func(line []byte, at int, a *anchor) (span, bool)

// set is a set of bytes.
type set [256]bool

// setOf returns the set of the bytes of s. In s, a-z stands for a range of bytes.
func setOf(s string) *set {
	var c set
	for i := 0; i < len(s); i++ {
		if i+2 < len(s) && s[i+1] == '-' {
			for b := int(s[i]); b <= int(s[i+2]); b++ {
				c[b] = true
			}
			i += 2
			continue
		}
		c[s[i]] = true
	}
	return &c
}

func (c *set) not() *set {
	var n set
	for b := range c {
		n[b] = !c[b]
	}
	return &n
}

var (
	anything = (&set{}).not()
	alnum    = setOf("0-9A-Za-z")
	noAlnum  = alnum.not()
	// escapeEnd holds the last bytes of escapes that may precede a word in place of a character that is not
	// a letter: \n, \u003d, %3D.
	escapeEnd = setOf("nrtbfa0-9cdeABCDEF")
)

func newScanner(anchors []anchor) *scanner {
	s := &scanner{tokens: map[uint32][]window{}}
	for i := range anchors {
		a := &anchors[i]
		for n := range 4 {
			s.add(window{offset: a.from + n, index: i, anchor: a}, a.group+n)
		}
	}
	// Two successive words of digits belong to a number, so no other word of it need be examined.
	for a := range 256 {
		for b := range 256 {
			x, y := digitClass(byte(a)), digitClass(byte(b))
			if x|y == isDigit || x|y == isDigit|isSeparator {
				s.first[a|b<<8] |= digits
				s.second[a|b<<8] |= digits
			}
		}
	}
	return s
}

const (
	isDigit = 1 << iota
	isSeparator
	isOther
)

func digitClass(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return isDigit
	case b == ' ' || b == '-':
		return isSeparator
	}
	return isOther
}

// add adds a window to a group, or to the group for windows of its kind. In an ordinary group, a window
// that matches many pairs would make the others of the group useless.
func (s *scanner) add(w window, group int) {
	a := w.anchor
	var classes [4]*set
	for i := range classes {
		at := w.offset + i
		classes[i] = a.around(at)
		if at >= 0 && at < len(a.text) {
			mask := uint32(0xff)
			if a.fold && isLetter(a.text[at]) {
				mask = 0xdf
			}
			w.mask |= mask << (8 * i)
			w.want |= (uint32(a.text[at]) & mask) << (8 * i)
		}
	}
	switch last := min(classes[2].size(), classes[3].size()); {
	case classes[0] == anything && classes[1] == anything:
		group = anyFirst
	case last == 256:
		group = anyLast
	case last > 15:
		group = wideLast
	}
	if classes[1] == beforeWord { // not a letter, or the end of an escape
		fill(&s.first, anything, noAlnum, group)
		fill(&s.first, setOf("\\"), escapeLetter, group)
		fill(&s.first, setOf("0-7"), hex, group)
	} else {
		fill(&s.first, classes[0], classes[1], group)
	}
	fill(&s.second, classes[2], classes[3], group)
	if group >= words {
		s.windows[group] = append(s.windows[group], w)
		return
	}
	seen := map[uint32]bool{}
	for _, upper := range [...]uint32{0, 0x20, 0x2000, 0x2020, 0x200000, 0x202000, 0x20000000, 0x20200000} {
		word := w.want // with the letters of a folded anchor in both cases
		if a.fold {
			word |= upper
		}
		if key := keyOf(group, word); !seen[key] {
			seen[key] = true
			s.tokens[key] = append(s.tokens[key], w)
		}
	}
}

func (c *set) size() (n int) {
	for _, in := range c {
		if in {
			n++
		}
	}
	return n
}

func fill(table *[1 << 16]uint16, a, b *set, group int) {
	for i, in := range a {
		if !in {
			continue
		}
		for j, in := range b {
			if in {
				table[i|j<<8] |= 1 << group
			}
		}
	}
}

// around returns the bytes that are allowed at an offset from the beginning of the anchor.
func (a *anchor) around(at int) *set {
	switch {
	case at >= 0 && at < len(a.pattern):
		return a.pattern[at]
	case a.pattern != nil && at == len(a.pattern) && a.right != nil:
		return a.right
	case at == -1 && a.word:
		return beforeWord
	case at == len(a.text) && a.right != nil:
		return a.right
	case at == len(a.text)+1 && a.class != nil:
		return a.class
	case at < 0 || at >= len(a.text):
		return anything
	}
	var c set
	b := a.text[at]
	c[b] = true
	if a.fold && isLetter(b) {
		c[b&^0x20], c[b|0x20] = true, true
	}
	return &c
}

var beforeWord = union(noAlnum, escapeEnd)

func union(a, b *set) *set {
	var c set
	for i := range c {
		c[i] = a[i] || b[i]
	}
	return &c
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// next returns the index of the first word that matters, at or after i, and its groups. i must be a
// multiple of four, and previous is the mask of the word before i. next returns len(line) if no word
// matters. Most lines need nothing but this call.
func (s *scanner) next(line []byte, i int, previous uint16) (at int, mask uint16) {
	var a, b uint16
	for ; i <= len(line)-8; i += 8 {
		x := binary.LittleEndian.Uint64(line[i:])
		a = s.first[uint16(x)] & s.second[uint16(x>>16)]
		b = s.first[uint16(x>>32)] & s.second[x>>48]
		if (a|b)&literals|a&(previous|b)&digits != 0 {
			return which(i, previous, a, b)
		}
		previous = b
	}
	if i < len(line) {
		x := rest(line, i)
		a = s.first[uint16(x)] & s.second[uint16(x>>16)]
		b = s.first[uint16(x>>32)] & s.second[x>>48]
		if (a|b)&literals|a&(previous|b)&digits != 0 {
			if at, mask := which(i, previous, a, b); at < len(line) {
				return at, mask
			}
		}
	}
	return len(line), 0
}

// which returns the index and mask of the first of two words that matters.
func which(i int, previous, a, b uint16) (int, uint16) {
	if mask := a&literals | a&previous&digits; mask != 0 {
		return i, mask
	}
	return i + 4, b&literals | a&b&digits
}

// word returns the mask of the word at i.
func (s *scanner) word(line []byte, i int) uint16 {
	x := rest(line, i)
	return s.first[uint16(x)] & s.second[uint16(x>>16)]
}

// rest returns the eight bytes at i, with zeros after the end of the line.
func rest(line []byte, i int) (x uint64) {
	if i <= len(line)-8 {
		return binary.LittleEndian.Uint64(line[i:])
	}
	if len(line) >= 8 {
		return binary.LittleEndian.Uint64(line[len(line)-8:]) >> (8 * (i + 8 - len(line)))
	}
	for j := len(line) - 1; j >= i; j-- {
		x = x<<8 | uint64(line[j])
	}
	return x
}

// spans appends the secrets of a line to found. at and mask are the results of the first call of next.
func (s *scanner) spans(line []byte, at int, mask uint16, found []span) []span {
	// What a finder has searched for an anchor is not searched again for the same anchor: otherwise the
	// time for a line of nothing but anchors would grow with the square of its length.
	var until []int // by anchor; nil for short lines
	if len(line) > shortLine {
		var all [maxAnchors]int
		until = all[:]
	}
	for at < len(line) {
		next, previous := at+4, s.word(line, at)
		if mask&digits != 0 {
			sp, end, ok := findCard(line, at)
			if ok {
				found = append(found, sp)
			}
			next, previous = max(next, (end-3)&^3), 0
		}
		for groups := mask & literals; groups != 0; groups &= groups - 1 {
			group := bits.TrailingZeros16(groups)
			windows, word := s.windows[group], uint32(rest(line, at))
			if group < words {
				windows = s.tokens[keyOf(group, word)]
			}
			for i := range windows {
				w := &windows[i]
				begin := at - w.offset
				if word&w.mask != w.want || until != nil && begin < until[w.index] || !w.anchor.at(line, begin) {
					continue
				}
				sp, ok := w.anchor.find(line, begin, w.anchor)
				if until != nil {
					until[w.index] = max(until[w.index], sp.to)
				}
				if ok && (sp.from < sp.to || sp.open) {
					// The rest must not begin a word where no word began before.
					for sp.to < len(line) && alnum[line[sp.to]] {
						sp.to++
					}
					found = append(found, sp)
				}
			}
		}
		at, mask = s.next(line, next, previous)
	}
	return found
}

// at reports whether the anchor is at line[i:].
func (a *anchor) at(line []byte, i int) bool {
	if i < 0 || len(line)-i < len(a.text)+len(a.pattern) || a.word && !startsWord(line, i) {
		return false
	}
	for j, c := range a.pattern {
		if !c[line[i+j]] {
			return false
		}
	}
	if !a.fold {
		return string(line[i:i+len(a.text)]) == a.text
	}
	return hasPrefixFold(line[i:], a.text)
}

// hasPrefixFold reports whether b begins with s, ignoring case. s must be in lower case.
func hasPrefixFold(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := range len(s) {
		if c := b[i]; c != s[i] && (!isLetter(c) || c|0x20 != s[i]) {
			return false
		}
	}
	return true
}

// startsWord reports whether a word may begin at line[i:]: the byte before it is not a letter or digit,
// unless that is the end of an escape such as \n, \u003d or %3D.
func startsWord(line []byte, i int) bool {
	if i == 0 || !alnum[line[i-1]] {
		return true
	}
	switch {
	case i >= 2 && line[i-2] == '\\' && escapeLetter[line[i-1]]:
		return true
	case i >= 3 && line[i-3] == '%' && hex[line[i-2]] && hex[line[i-1]]:
		return !alnum[unhex(line[i-2])<<4|unhex(line[i-1])]
	case i >= 6 && line[i-6] == '\\' && line[i-5] == 'u' && line[i-4] == '0' && line[i-3] == '0' && hex[line[i-2]] && hex[line[i-1]]:
		return !alnum[unhex(line[i-2])<<4|unhex(line[i-1])]
	}
	return false
}

var (
	escapeLetter = setOf("nrtbf")
	hex          = setOf("0-9a-fA-F")
)

// unhex returns the value of a hexadecimal digit.
func unhex(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

// backslashes returns the number of backslashes before line[i:].
func backslashes(line []byte, i int) (n int) {
	for n < i && line[i-1-n] == '\\' {
		n++
	}
	return n
}
