package journalfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Flags of a field's object.
const (
	fieldXZ = 1 << iota
	fieldLZ4
	fieldZstd
)

// maxPacked bounds how many compressed bytes of a field are read: journald compresses fields of up to
// 768 MiB. The beginning of a longer one is read.
const maxPacked = 8 << 20

// maxWindow is how far back a Zstandard frame may refer. journald's own frames stay below it.
const maxWindow = 8 << 20

// text is what a field has, given out from its beginning.
type text interface {
	// next appends up to n more bytes to b; whole reports that there are no more. With an error nothing is
	// appended.
	next(b []byte, n int) (with []byte, whole bool, err error)
}

// inflater is the memory that compressed fields are read with.
type inflater struct {
	packed []byte
	source bytes.Reader
	zstd   *zstd.Decoder

	plain  plain // the last text is one of them
	lz4    lz4
	stream stream
}

// text returns what is in size bytes at an offset. It is valid until the next call for any file that shares
// the windows.
func (f *File) text(at, size uint64, flags byte) (text, error) {
	in := &f.windows.inflater
	kind := flags & (fieldXZ | fieldLZ4 | fieldZstd)
	switch kind {
	case 0:
		in.plain = plain{f, at, size}
		return &in.plain, nil
	case fieldXZ:
		return nil, ErrXZ
	case fieldLZ4, fieldZstd:
	default:
		return nil, damaged("a field with the flags %#x", flags)
	}
	size = min(size, maxPacked)
	if cap(in.packed) > 1<<20 {
		in.packed = nil // of one long field, which must not be paid for ever after
	}
	in.packed = slices.Grow(in.packed[:0], int(size))[:size]
	if err := f.windows.read(f, at, in.packed); err != nil {
		return nil, err
	}
	if kind == fieldZstd {
		return in.unzstd()
	}
	if size < 8 {
		return nil, damaged("a compressed field of %d bytes", size)
	}
	in.lz4 = lz4{block: in.packed[8:], size: binary.LittleEndian.Uint64(in.packed)}
	return &in.lz4, nil
}

// unzstd returns what the packed bytes are, which are a Zstandard frame.
func (in *inflater) unzstd() (text, error) {
	in.source.Reset(in.packed)
	var err error
	if in.zstd == nil {
		in.zstd, err = zstd.NewReader(&in.source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	} else {
		err = in.zstd.Reset(&in.source)
	}
	if err != nil {
		return nil, damaged("a field compressed by Zstandard: %v", err)
	}
	in.stream = stream{in.zstd}
	return &in.stream, nil
}

type plain struct {
	f        *File
	at, size uint64
}

func (p *plain) next(b []byte, n int) (with []byte, whole bool, err error) {
	take := min(uint64(n), p.size)
	from := len(b)
	with = slices.Grow(b, int(take))[:from+int(take)]
	if err := p.f.windows.read(p.f, p.at, with[from:]); err != nil {
		return b, false, err
	}
	p.at, p.size = p.at+take, p.size-take
	return with, p.size == 0, nil
}

// stream is a Zstandard frame.
type stream struct{ r io.Reader }

func (s *stream) next(b []byte, n int) (with []byte, whole bool, err error) {
	with = b
	for end := len(b) + n; len(with) < end; {
		step := min(end-len(with), 64<<10) // not all that is asked for: the field may be short
		with = slices.Grow(with, step)
		k, err := s.r.Read(with[len(with) : len(with)+step])
		with = with[:len(with)+k]
		if errors.Is(err, io.EOF) {
			return with, true, nil
		}
		if err != nil {
			return b, false, damaged("a field compressed by Zstandard: %v", err)
		}
	}
	return with, false, nil
}

// lz4 is an LZ4 block. It is decompressed from the beginning at each call, which come twice.
type lz4 struct {
	block []byte
	size  uint64
	done  int
}

func (l *lz4) next(b []byte, n int) (with []byte, whole bool, err error) {
	from := len(b) - l.done // what it is made of refers back to what came before
	with, err = unpackLZ4(b[:from], from, l.block, int(min(uint64(l.done+n), l.size)))
	if err != nil {
		return b, false, err
	}
	l.done = len(with) - from
	return with, uint64(l.done) == l.size, nil
}

// unpackLZ4 appends the first n bytes that an LZ4 block holds to b. What the block refers to
// begins at from. It is written here because a library decompresses whole blocks only, and the size of a
// field's block has no bound.
func unpackLZ4(b []byte, from int, block []byte, n int) ([]byte, error) {
	end := from + n
	for len(b) < end {
		if len(block) == 0 {
			return b, damaged("a field compressed by LZ4 ends early")
		}
		token := block[0]
		block = block[1:]
		literals, rest, ok := lz4Length(int(token>>4), block)
		if !ok || literals > len(rest) {
			return b, damaged("a field compressed by LZ4 has no end")
		}
		b = append(b, rest[:min(literals, end-len(b))]...)
		block = rest[literals:]
		if len(b) == end {
			break
		}
		if len(block) < 2 {
			return b, damaged("a field compressed by LZ4 ends early")
		}
		back := int(binary.LittleEndian.Uint16(block))
		length, rest, ok := lz4Length(int(token&15), block[2:])
		if !ok || back == 0 || back > len(b)-from {
			return b, damaged("a field compressed by LZ4 refers to what it does not have")
		}
		block = rest
		for length = min(length+4, end-len(b)); length > 0; {
			k := min(length, back)
			b = append(b, b[len(b)-back:len(b)-back+k]...)
			length -= k
		}
	}
	return b, nil
}

// lz4Length returns a length that begins with 4 bits of a token and goes on in the block if they are all set.
func lz4Length(n int, block []byte) (length int, rest []byte, ok bool) {
	if n < 15 {
		return n, block, true
	}
	for len(block) > 0 {
		more := block[0]
		block = block[1:]
		n += int(more)
		if more < 255 {
			return n, block, true
		}
	}
	return 0, nil, false
}
