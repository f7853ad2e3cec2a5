package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	unformatted = "// A comment.\nlogging {\nlevel=\"info\"\n\tformat = \"json\" }\n"
	formatted   = "// A comment.\nlogging {\n\tlevel  = \"info\"\n\tformat = \"json\"\n}\n"
)

// fmt prints the formatted text. -w writes it and keeps the file's mode; -t only reports whether the file is
// formatted.
func TestFmt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.alloy")
	link := filepath.Join(t.TempDir(), "link.alloy")
	if err := os.WriteFile(file, []byte(unformatted), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := command(t, nil, "fmt", file); code != exitOK || stdout != formatted {
		t.Errorf("fmt: exit %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
	if code, _, stderr := command(t, nil, "fmt", "-t", file); code != exitFailed || !strings.Contains(stderr, "is not formatted") {
		t.Errorf("fmt -t: exit %d, stderr %q", code, stderr)
	}
	if code, stdout, stderr := command(t, nil, "fmt", "-w", link); code != exitOK || stdout != "" {
		t.Errorf("fmt -w: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	content, err := os.ReadFile(file)
	if err != nil || string(content) != formatted {
		t.Errorf("after fmt -w of a link, its file has (%v):\n%s", err, content)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("after fmt -w: %v, %v; want mode 0640", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("after fmt -w the link is %v, %v", info.Mode(), err)
	}
	if code, _, stderr := command(t, nil, "fmt", "-t", file); code != exitOK {
		t.Errorf("fmt -t of a formatted file: exit %d, stderr %q", code, stderr)
	}
}

// A file that cannot be parsed is unchanged, and the error shows the position.
func TestFmtOfABrokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.alloy")
	const broken = "logging {\n\tlevel = \n}\n"
	if err := os.WriteFile(file, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, nil, "fmt", "-w", file)
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, file+":3:1: ") || !strings.Contains(stderr, "^") {
		t.Errorf("exit %d, stdout %q, stderr:\n%s", code, stdout, stderr)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != broken {
		t.Errorf("the file is now (%v):\n%s", err, content)
	}
}

// A file keeps its owner.
func TestFmtKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the owner of a file")
	}
	file := filepath.Join(t.TempDir(), "config.alloy")
	if err := os.WriteFile(file, []byte(unformatted), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, nil, "fmt", "-w", file); code != exitOK {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 4711 || s.Gid != 4712 {
		t.Errorf("the file belongs to %d:%d, want 4711:4712", s.Uid, s.Gid)
	}
}
