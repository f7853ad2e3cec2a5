package lighter

// Settings, as errors and log lines speak of them. The packages that say what to do about an error
// do not know how the user has written the configuration: package config replaces each of these by
// what the user calls it.
const (
	SettingBufferMax    = "{buffer_max}"         // bytes on disk for what an endpoint cannot take
	SettingDataDir      = "{data_dir}"           // where positions and buffers are
	SettingListen       = "{listen}"             // the address of the agent's own server
	SettingHost         = "{host}"               // what the host is called
	SettingLogsSince    = "{logs_since}"         // how far back the first sight of a container reads
	SettingMaxLine      = "{max_line}"           // bytes of a line
	SettingSocketSource = "{log_source=socket}"  // have the Engine asked for logs
	SettingAutoSource   = "{log_source=auto}"    // have the Engine asked where a log has no file
	SettingDockerRoot   = "{docker_root}"        // where the Engine's data directory is mounted
	SettingHostRoot     = "{host_root}"          // where the host's root is mounted
	SettingAPIVersion   = "{docker_api_version}" // of the Engine's API
	SettingCertPath     = "{docker_cert_path}"   // the directory of the certificates for the Engine
)
