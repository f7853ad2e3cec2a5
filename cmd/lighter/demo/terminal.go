package demo

import (
	"io"
	"os"

	"github.com/moby/term"
)

// defaultWidth is of a terminal that does not say how wide it is.
const defaultWidth = 80

// Terminal returns what the screen at out can do. env looks up a variable: TERM=dumb is no
// terminal, and NO_COLOR, set to anything, takes the colours away.
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
