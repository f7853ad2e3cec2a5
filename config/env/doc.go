// Package env makes a plan of environment variables.
//
// In come the variables and the files that they name; out goes a config.Plan, what deserves a
// warning, or an error of one line. It opens no connection, starts nothing and keeps nothing:
// command lines call FromEnv once at the start and once at each reload.
//
// No secret is printed by anything this package returns, errors included, and no URL is
// shown with its user information.
package env
