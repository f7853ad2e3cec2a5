package config

import (
	"strings"

	"lighter"
)

// environmentWords maps the settings to their names in the environment.
var environmentWords = strings.NewReplacer(
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

// Words returns a text, such as an error's, with each setting replaced by its name in the environment.
func Words(text string) string { return environmentWords.Replace(text) }
