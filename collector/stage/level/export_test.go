package level

// Levels is the number of levels. Every level is smaller.
const Levels = int(Fatal) + 1

// Detect returns the level that Loki finds.
func Detect(line []byte) Level {
	l, _ := detect(line)
	return l
}

// Better returns the level of a line in a known format that contains the level, whether or not Loki finds
// the same. It returns false for all other lines; for those, Loki's result is as good as any guess.
func Better(line []byte) (Level, bool) {
	var own Level
	if begins(line) {
		o := object{full: true}
		o.read(line)
		own = o.level()
	} else if own = ofText(line); own == Unknown {
		_, own = detect(line)
	}
	return own, own != Unknown
}
