package near

import "testing"

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"abc", "xbz", 2}, {"LIGHTER_HOTS", "LIGHTER_HOST", 2},
	} {
		if have := distance(tc.a, tc.b); have != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, have, tc.want)
		}
	}
}

func TestName(t *testing.T) {
	known := []string{"one", "two", "ten"}
	for name, want := range map[string]string{"one": "one", "tow": "two", "t": "two", "tenth": "ten"} {
		if have := Name(name, known); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	if have := Name("one", nil); have != "" {
		t.Errorf("%q, want none", have)
	}
}
