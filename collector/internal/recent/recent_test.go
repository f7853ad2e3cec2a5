package recent

import (
	"fmt"
	"testing"
)

// However many keys there are, those in use are remembered and the others are forgotten.
func TestMapIsBounded(t *testing.T) {
	forgotten := 0
	m := Map[string, int]{Half: 10, Forget: func() { forgotten++ }}
	m.Put("used", -1)
	m.Put("used as bytes", -2)
	for i := range 1000 {
		m.Put(fmt.Sprint(i), i)
		if v, ok := m.Get("used"); !ok || v != -1 {
			t.Fatalf("after %d others: %d, %t", i, v, ok)
		}
		if v, ok := GetBytes(&m, []byte("used as bytes")); !ok || v != -2 {
			t.Fatalf("after %d others: %d, %t", i, v, ok)
		}
		if n := len(m.young) + len(m.old); n >= 2*m.Half {
			t.Fatalf("%d entries are remembered", n)
		}
	}
	for i := range 1000 {
		_, ok := m.old[fmt.Sprint(i)]
		_, young := m.young[fmt.Sprint(i)]
		if last := i >= 1000-(m.Half-2); last && !ok && !young {
			t.Errorf("%d is forgotten, though it is one of the last", i)
		}
	}
	if v, ok := m.Get("0"); ok {
		t.Errorf("0 is remembered: %d", v)
	}
	if want := 1000 / (m.Half - 2); forgotten != want {
		t.Errorf("entries were forgotten %d times, want %d", forgotten, want)
	}
}

func TestAllocsGetBytes(t *testing.T) {
	m := Map[string, int]{Half: 10}
	key := []byte("a key that is longer than what the compiler keeps on the stack")
	m.Put(string(key), 1)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := GetBytes(&m, key); !ok {
			t.Fatal("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
