// Package env makes a plan from environment variables.
//
// Its input is the variables and the files that they name; its output is a config.Plan with warnings, or a
// one-line error. It opens no connection, starts nothing and keeps no state: command lines call FromEnv
// once at the start and once at each reload.
//
// Nothing that this package returns, errors included, contains a secret, and URLs are shown without their
// user information.
package env
