// Package config says what the agent is to do: the Plan, and the environment as one way
// to write it.
package config
