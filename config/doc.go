// Package config defines what the agent does: the Plan, a graph of nodes, which validates itself.
//
// Package config/env makes a Plan from environment variables. Everything that determines labels is
// expressed in relabel rules, as in an Alloy file, so that nothing behind the Plan knows how it was
// written. Errors from there refer to settings by placeholders (lighter.SettingDataDir and others), which
// NameSettings replaces by the user's names.
package config
