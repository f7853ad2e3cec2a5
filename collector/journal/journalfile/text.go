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
	// next appends up to n more bytes to b; whole reports that there are no more. With an error b is as
	// it was.
	next(b *[]byte, n int) (whole bool, err error)
}

// inflater is the memory that compressed fields are read with.
type inflater struct {
	packed []byte
	source bytes.Reader
	zstd   *zstd.Decoder
}

// text returns what is in size bytes at an offset. It is valid until the next call for any file that shares
// the windows.
func (f *File) text(at, size uint64, flags byte) (text, error) {
	kind := flags & (fieldXZ | fieldLZ4 | fieldZstd)
	switch kind {
	case 0:
		return &plain{f, at, size}, nil
	case fieldXZ:
		return nil, ErrXZ
	case fieldLZ4, fieldZstd:
	default:
		return nil, damaged("a field with the flags %#x", flags)
	}
	size = min(size, maxPacked)
	in := &f.windows.inflater
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
	return &lz4{block: in.packed[8:], size: binary.LittleEndian.Uint64(in.packed)}, nil
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
	return stream{in.zstd}, nil
}

type plain struct {
	f        *File
	at, size uint64
}

func (p *plain) next(b *[]byte, n int) (whole bool, err error) {
	take := min(uint64(n), p.size)
	from := len(*b)
	*b = slices.Grow(*b, int(take))[:from+int(take)]
	if err := p.f.windows.read(p.f, p.at, (*b)[from:]); err != nil {
		*b = (*b)[:from]
		return false, err
	}
	p.at, p.size = p.at+take, p.size-take
	return p.size == 0, nil
}

// stream is a Zstandard frame.
type stream struct{ r io.Reader }

func (s stream) next(b *[]byte, n int) (whole bool, err error) {
	from := len(*b)
	for end := from + n; len(*b) < end; {
		step := min(end-len(*b), 64<<10) // not all that is asked for: the field may be short
		*b = slices.Grow(*b, step)
		k, err := s.r.Read((*b)[len(*b) : len(*b)+step])
		*b = (*b)[:len(*b)+k]
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			*b = (*b)[:from]
			return false, damaged("a field compressed by Zstandard: %v", err)
		}
	}
	return false, nil
}

// lz4 is an LZ4 block. It is decompressed from the beginning at each call, which come twice.
type lz4 struct {
	block []byte
	size  uint64
	done  int
}

func (l *lz4) next(b *[]byte, n int) (whole bool, err error) {
	from := len(*b) - l.done // what it is made of refers back to what came before
	want := uint64(l.done + n)
	out, err := unpackLZ4((*b)[:from], from, l.block, int(min(want, l.size)))
	if err != nil {
		return false, err
	}
	l.done = len(out) - from
	*b = out
	return uint64(l.done) == l.size, nil
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
