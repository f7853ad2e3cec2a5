package lighter

// Settings, as errors and log lines refer to them. The packages that suggest remedies do not know how the
// user has written the configuration: package config replaces each of these by the user's name of the
// setting.
const (
	SettingBufferMax    = "{buffer_max}"         // bytes on disk for data that an endpoint cannot take yet
	SettingDataDir      = "{data_dir}"           // directory of positions and buffers
	SettingListen       = "{listen}"             // the address of the agent's own server
	SettingHost         = "{host}"               // the name of the host
	SettingLogsSince    = "{logs_since}"         // how far back a new container's log is read
	SettingMaxLine      = "{max_line}"           // bytes of a line
	SettingSocketSource = "{log_source=socket}"  // read logs from the Engine
	SettingAutoSource   = "{log_source=auto}"    // read logs from the Engine if they have no file
	SettingDockerRoot   = "{docker_root}"        // where the Engine's data directory is mounted
	SettingHostRoot     = "{host_root}"          // where the host's root is mounted
	SettingAPIVersion   = "{docker_api_version}" // of the Engine's API
	SettingCertPath     = "{docker_cert_path}"   // the directory of the certificates for the Engine
)
