// Package config says what the agent is to do: the Plan, a graph of nodes, which validates itself.
//
// Package config/env writes a Plan from environment variables. All that shapes labels is said in
// relabel rules, as an Alloy file would say it, so that nothing behind the Plan knows how it was
// written. Errors from there speak of settings by names of their own (lighter.SettingDataDir and
// others), and Words calls them what the user does.
package config
