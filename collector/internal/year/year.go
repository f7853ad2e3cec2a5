// Package year completes times that are written without a year, such as those of syslog.
package year

import "time"

// Nearest returns a time of the year 0 in the year in which it is close to now. Around the turn of the year, December
// is of the old year and January of the new one.
func Nearest(t, now time.Time) time.Time {
	year := now.Year()
	switch {
	case t.Month() == time.December && now.Month() == time.January:
		year--
	case t.Month() == time.January && now.Month() == time.December:
		year++
	}
	return t.AddDate(year, 0, 0)
}
