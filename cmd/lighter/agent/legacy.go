package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"lighter/collector/file/positionsyml"
	"lighter/config"
)

// legacy holds positions that Alloy or Promtail has written for a source. The zero value has none.
type legacy struct{ *positionsyml.Positions }

// journal returns the cursor of the journal that the named source has read, or "".
func (l legacy) journal(source string) string {
	for _, e := range l.Entries("cursor-" + source) {
		return e.Value
	}
	return ""
}

// readLegacy reads, for the sources that are new in g, the positions that Alloy has left in the data
// directory, or that Promtail or Alloy has written to the file named in the source. They are used only for
// logs without a position of their own, because later they are outdated.
func (a *Agent) readLegacy(g, old *graph) {
	for _, n := range g.nodes {
		if n.part == nil || n.part == old.part(n.Name) {
			continue
		}
		name := ""
		switch c := n.Args.(type) {
		case config.FileSource:
			name = c.LegacyPositions
		case config.LogSource, config.JournalSource:
		default:
			continue
		}
		stored := a.positions.Load()
		if stored == nil || stored.Has(n.Name+"/") {
			continue
		}
		if left := filepath.Join(a.data.dir, n.Name, "positions.yml"); name == "" || exists(left) {
			name = left
		}
		n.part.legacy = a.parseLegacy(name, n.Name)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// parseLegacy reads a positions file. If it does not exist or cannot be read, there are no positions.
func (a *Agent) parseLegacy(file, node string) legacy {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return legacy{}
	}
	bad := 0
	var all *positionsyml.Positions
	if err == nil {
		all, bad, err = positionsyml.Parse(b)
	}
	switch {
	case err != nil:
		a.o.Logger.Warn("the positions of another agent cannot be read, and its logs are read as if they were new", "node", node, "file", file, "error", err)
		return legacy{}
	case bad > 0:
		a.o.Logger.Warn("some positions of another agent are not understood, and are passed over", "node", node, "file", file, "positions", bad)
	}
	a.o.Logger.Info("reading goes on where another agent has left off", "node", node, "file", file)
	return legacy{all}
}
