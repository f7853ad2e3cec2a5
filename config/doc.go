// Package config says what the agent is to do: the Plan, and the environment as one way
// to write it.
//
// In come environment variables and the secret files that they name; out goes a Plan, what
// deserves a warning, or an error of one line. It opens no connection, starts nothing and
// keeps nothing: command lines call FromEnv once at the start and once at each reload, and
// build what the Plan says. All that shapes labels is said in relabel rules, as an Alloy
// file would say it, so that nothing behind the Plan knows how it was written.
//
// No secret is printed by anything this package returns, errors included, and no URL is
// shown with its user information.
package config
