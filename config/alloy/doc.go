// Package alloy makes a plan from an Alloy configuration: a file, or all *.alloy files of a directory.
//
// Load reads the file, evaluates its components in the order of their references, and makes nodes from them.
// Alloy's own syntax package parses, evaluates and formats; each component that the agent has is in a file of
// its own here, with its arguments, their defaults and the code that makes its nodes.
//
// A feature of Alloy that the agent lacks is an error, which says what to do instead. An argument that has
// no effect is a warning. Nothing is ignored silently. All errors of a file are reported at once.
//
// Loading opens no sockets and starts nothing. It reads the configuration, the files that the
// configuration imports, and the files whose content it uses; File.Reads names them.
package alloy
