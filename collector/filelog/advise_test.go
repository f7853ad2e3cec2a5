package filelog

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"lighter"
)

func TestAdvise(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"not allowed": {&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, "run the agent as root, or set " + lighter.SettingSocketSource},
		"no file":     {fmt.Errorf("open /x: %w", errNoFile), lighter.SettingDockerRoot},
	} {
		if err := advise(tc.err); !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "group") {
			t.Errorf("%s: %v, want in it: %s", name, err, tc.want)
		}
	}
}
