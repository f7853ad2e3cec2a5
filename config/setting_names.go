package config

import (
	"strings"

	"lighter"
)

// settingNames replaces each setting by its name.
var settingNames = strings.NewReplacer(
	lighter.SettingBufferMax, "LIGHTER_BUFFER_MAX",
	lighter.SettingDataDir, "LIGHTER_DATA_DIR",
	lighter.SettingListen, "LIGHTER_LISTEN",
	lighter.SettingHost, "LIGHTER_HOST",
	lighter.SettingLogsSince, "LIGHTER_LOGS_SINCE",
	lighter.SettingMaxLine, "LIGHTER_MAX_LINE",
	lighter.SettingSocketSource, "LIGHTER_LOG_SOURCE=socket",
	lighter.SettingAutoSource, "LIGHTER_LOG_SOURCE=auto",
	lighter.SettingDockerRoot, "LIGHTER_DOCKER_ROOT",
	lighter.SettingHostRoot, "LIGHTER_HOST_ROOT",
	lighter.SettingAPIVersion, "DOCKER_API_VERSION",
	lighter.SettingCertPath, "DOCKER_CERT_PATH",
)

// NameSettings returns a text, such as an error's, with each setting replaced by its name, which is that of
// its environment variable. It does so for an agent that runs an Alloy file, too, although not all of these
// variables apply to that.
func NameSettings(text string) string { return settingNames.Replace(text) }
