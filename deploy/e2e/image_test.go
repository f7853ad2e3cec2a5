package e2e

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// image examines lighter's image: one small binary, which also has Alloy's names, the CA bundle, the data
// directory of its user, and no shell.
func (l *lab) image(t *testing.T) {
	ctx := t.Context()
	id, err := l.engine.Do(ctx, "create", "--label", "lighter-e2e", agentImage)
	must(t, err)
	defer l.engine.Do(ctx, "rm", "--force", "--volumes", id)
	file := filepath.Join(t.TempDir(), "image.tar")
	_, err = l.engine.Do(ctx, "export", "--output", file, id)
	must(t, err)

	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	const limit = 34 << 20
	owner := -1
	var files, links []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		switch name := strings.TrimSuffix(h.Name, "/"); {
		case name == "lighter":
			t.Logf("the binary has %.1f MiB", float64(h.Size)/(1<<20))
			if h.Size > limit {
				t.Errorf("the binary has %d bytes, over %d", h.Size, limit)
			}
			files = append(files, name)
		case name == "var/lib/lighter":
			owner = h.Uid
		case h.Linkname == "/lighter":
			links = append(links, name)
		case h.Typeflag == tar.TypeReg && h.Size > 0: // the Engine adds empty files
			files = append(files, name)
		}
	}
	if owner != 65532 {
		t.Errorf("/var/lib/lighter belongs to %d, not to 65532", owner)
	}
	if got, want := strings.Join(files, " "), "etc/ssl/certs/ca-certificates.crt lighter"; got != want {
		t.Errorf("the image has the files %s, want %s", got, want)
	}
	if got, want := strings.Join(links, " "), "bin/alloy usr/bin/alloy"; got != want {
		t.Errorf("the image has the links %s to the binary, want %s", got, want)
	}
	user, err := l.engine.Do(ctx, "image", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.Healthcheck.Test}}", agentImage)
	must(t, err)
	if want := "[/lighter] [run] [CMD /lighter healthcheck]"; user != want {
		t.Errorf("the image is run as %s, want %s", user, want)
	}
}
