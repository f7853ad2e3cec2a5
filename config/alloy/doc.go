// Package alloy makes a plan of an Alloy configuration: a file, or all *.alloy files of a directory.
//
// Load reads the file, evaluates its components in the order of their references, and makes nodes of them.
// Parsing, evaluation and formatting are those of Alloy's own syntax package; each component that the
// agent has stands in a file of its own here, with its arguments, their defaults and what they become.
//
// What Alloy has and the agent lacks is an error that says so, and what to do instead. An argument that
// has no effect is a warning. Nothing is ignored in silence. All that is wrong with a file is said at
// once.
//
// Loading opens no sockets and starts nothing. It reads the configuration, the files that the
// configuration imports, and the files whose content it asks for; File.Reads names them.
package alloy
