package demo

import (
	"io"
	"os"

	"github.com/moby/term"
)

// defaultWidth is the width of a terminal that does not report it.
const defaultWidth = 80

// Terminal returns the options of a Screen that writes to out. env looks up an environment variable. With
// TERM=dumb, out is not treated as a terminal, and if NO_COLOR has any value, colours are not used.
func Terminal(out io.Writer, env func(string) string) ScreenOptions {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(f.Fd()) || env("TERM") == "dumb" {
		return ScreenOptions{}
	}
	return ScreenOptions{
		Width: func() int {
			size, err := term.GetWinsize(f.Fd())
			if err != nil || size.Width == 0 {
				return defaultWidth
			}
			return int(size.Width)
		},
		Color: env("NO_COLOR") == "",
	}
}
