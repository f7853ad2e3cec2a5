package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/relabel"
)

// Hash returns a hash of the node's arguments, secrets included, and of the names in From; a change within
// those nodes does not change it. Nodes with the same name and hash do the same, except for their
// destinations. Destinations belong to the edges, and a change of an edge restarts only what sends along
// it.
func (n Node) Hash() string {
	h := sha256.New()
	hashValue(h, reflect.ValueOf(n.Args))
	hashValue(h, reflect.ValueOf(n.From))
	return hex.EncodeToString(h.Sum(nil))
}

// hashValue writes a value to h so that different values yield different bytes. It also descends into
// unexported fields of structs, because labels and secrets are kept in such fields.
func hashValue(h hash.Hash, v reflect.Value) {
	if !v.IsValid() {
		hashText(h, "nil")
		return
	}
	hashText(h, v.Type().String())
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			hashText(h, "nil")
			return
		}
		hashValue(h, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[relabel.Regexp]() && v.CanInterface() {
			hashText(h, v.Interface().(relabel.Regexp).String())
			return
		}
		for i := range v.NumField() {
			hashValue(h, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		hashNumber(h, uint64(v.Len()))
		for i := range v.Len() {
			hashValue(h, v.Index(i))
		}
	case reflect.Map:
		hashNumber(h, uint64(v.Len()))
		keys := v.MapKeys()
		slices.SortFunc(keys, compareKeys)
		for _, k := range keys {
			hashValue(h, k)
			hashValue(h, v.MapIndex(k))
		}
	case reflect.String:
		hashText(h, v.String())
	case reflect.Bool:
		hashText(h, fmt.Sprint(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		hashNumber(h, uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		hashNumber(h, v.Uint())
	case reflect.Float32, reflect.Float64:
		hashText(h, fmt.Sprint(v.Float()))
	default: // a function that a library keeps besides the settings from which it made the function
	}
}

// compareKeys orders the keys of a map, which are strings or numbers.
func compareKeys(a, b reflect.Value) int {
	if a.Kind() == reflect.String {
		return strings.Compare(a.String(), b.String())
	}
	return cmp.Compare(a.Int(), b.Int())
}

func hashText(h hash.Hash, s string) {
	hashNumber(h, uint64(len(s)))
	_, _ = h.Write([]byte(s))
}

func hashNumber(h hash.Hash, n uint64) {
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, n))
}
