package budget

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// version is the version of the file.
const version = 1

// maxFile limits how much is read: a thousand services and a week of hours take a tenth of it.
const maxFile = 1 << 20

// file is the content of the file, as JSON.
type file struct {
	Version  int              `json:"version"`
	Month    string           `json:"month"`
	Services map[string]int64 `json:"services"` // bytes in the month
	Begun    int64            `json:"begun"`    // hours since 1970, like First and Last
	First    int64            `json:"first"`
	Last     int64            `json:"last"`
	Hours    []int64          `json:"hours"` // bytes, the last one in the hour Last
	Warned   warned           `json:"warned"`
}

// load continues from the file. It is for New.
func (b *Budget) load() {
	if b.o.File == "" {
		return
	}
	f, err := readFile(b.o.File)
	if err == nil {
		err = b.restore(f)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.o.Logger.Warn("what was counted for the budget cannot be read; counting begins anew", "file", b.o.File, "error", err)
	}
}

func readFile(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("it is no file of at most %d bytes", maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("it is of version %d, not %d", f.Version, version)
	}
	return f, nil
}

// restore takes over the counts of a file. If it returns an error, it has changed nothing.
func (b *Budget) restore(f *file) error {
	month, err := time.Parse("2006-01", f.Month)
	now := b.o.Now()
	if err == nil && (month.After(monthOf(now)) || f.Last > hourOf(now)+24) {
		return errors.New("it is of a time that is still to come: look at this host's clock")
	}
	if err != nil || len(f.Hours) != hoursKept || f.First > f.Last || f.Begun > f.Last || f.First < 0 || f.Begun < 0 {
		return errors.New("it is damaged: its times make no sense")
	}
	l := logs{month: month, services: map[string]int64{}, begun: f.Begun, first: f.First, last: f.Last}
	for i, n := range f.Hours {
		if n < 0 {
			return errors.New("it is damaged: an hour has less than nothing")
		}
		if h := f.Last - hoursKept + 1 + int64(i); h >= 0 {
			l.hours[h%hoursKept] = n
		}
	}
	for service, n := range f.Services {
		if n < 0 {
			return errors.New("it is damaged: a service has less than nothing")
		}
		l.services[service] = n
		l.used += n
	}
	b.logs, b.warned = l, f.Warned
	return nil
}

// save writes the file if anything has been counted since the last time.
func (b *Budget) save() {
	if b.o.File == "" {
		return
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	if !b.dirty {
		b.mu.Unlock()
		return
	}
	l := &b.logs
	f := file{
		Version: version, Month: l.month.Format("2006-01"), Services: make(map[string]int64, len(l.services)),
		Begun: l.begun, First: l.first, Last: l.last, Hours: make([]int64, hoursKept), Warned: b.warned,
	}
	for service, n := range l.services {
		f.Services[service] = n
	}
	for i := range f.Hours {
		if h := l.last - hoursKept + 1 + int64(i); h >= 0 {
			f.Hours[i] = l.hours[h%hoursKept]
		}
	}
	b.dirty = false
	b.mu.Unlock()

	err := writeFile(b.o.File, &f)
	if err == nil {
		b.failed = ""
		return
	}
	b.mu.Lock()
	b.dirty = true
	b.mu.Unlock()
	if text := err.Error(); text != b.failed {
		b.failed = text
		b.o.Logger.Warn("what was counted for the budget cannot be written; a restart would not know it", "file", b.o.File, "error", err)
	}
}

// writeFile replaces a file atomically.
func writeFile(path string, f *file) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	out, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may occupy the last space on the disk
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is in place; only a crash of the host could undo that
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Sync()
	return nil
}
