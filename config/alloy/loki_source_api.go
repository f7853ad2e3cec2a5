package alloy

import (
	"net"
	"strconv"
	"time"

	"github.com/alecthomas/units"
	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// LokiSourceAPI are the arguments of loki.source.api.
type LokiSourceAPI struct {
	HTTP                    APIServer         `alloy:"http,block,optional"`
	GRPC                    *GRPCServer       `alloy:"grpc,block,optional"`
	GracefulShutdownTimeout time.Duration     `alloy:"graceful_shutdown_timeout,attr,optional"`
	ForwardTo               []LogsReceiver    `alloy:"forward_to,attr"`
	Labels                  map[string]string `alloy:"labels,attr,optional"`
	RelabelRules            Rules             `alloy:"relabel_rules,attr,optional"`
	UseIncomingTimestamp    bool              `alloy:"use_incoming_timestamp,attr,optional"`
	MaxSendMessageSize      units.Base2Bytes  `alloy:"max_send_message_size,attr,optional"`
}

// APIServer is an http block of loki.source.api.
type APIServer struct {
	ListenAddress      string        `alloy:"listen_address,attr,optional"`
	ListenPort         int           `alloy:"listen_port,attr,optional"`
	ConnLimit          int           `alloy:"conn_limit,attr,optional"`
	ServerReadTimeout  time.Duration `alloy:"server_read_timeout,attr,optional"`
	ServerWriteTimeout time.Duration `alloy:"server_write_timeout,attr,optional"`
	ServerIdleTimeout  time.Duration `alloy:"server_idle_timeout,attr,optional"`
	TLS                *ServerTLS    `alloy:"tls,block,optional"`
	HTTP2              *HTTP2        `alloy:"http2,block,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *APIServer) SetToDefault() { *a = APIServer{ListenPort: 8080} }

// ServerTLS is a tls block of a server of loki.source.api.
type ServerTLS struct {
	Cert         string            `alloy:"cert_pem,attr,optional"`
	Key          alloytypes.Secret `alloy:"key_pem,attr,optional"`
	CertFile     string            `alloy:"cert_file,attr,optional"`
	KeyFile      string            `alloy:"key_file,attr,optional"`
	ClientAuth   string            `alloy:"client_auth_type,attr,optional"`
	ClientCAFile string            `alloy:"client_ca_file,attr,optional"`
	ClientCA     string            `alloy:"client_ca,attr,optional"`
	CipherSuites string            `alloy:"cipher_suites,attr,optional"`
	MinVersion   string            `alloy:"min_version,attr,optional"`
}

// HTTP2 is an http2 block.
type HTTP2 struct {
	Enabled                      bool          `alloy:"enabled,attr,optional"`
	MaxHandlers                  int           `alloy:"max_handlers,attr,optional"`
	MaxConcurrentStreams         uint32        `alloy:"max_concurrent_streams,attr,optional"`
	MaxDecoderHeaderTableSize    uint32        `alloy:"max_decoder_header_table_size,attr,optional"`
	MaxEncoderHeaderTableSize    uint32        `alloy:"max_encoder_header_table_size,attr,optional"`
	MaxReadFrameSize             uint32        `alloy:"max_read_frame_size,attr,optional"`
	PermitProhibitedCipherSuites bool          `alloy:"permit_prohibited_ciphers,attr,optional"`
	IdleTimeout                  time.Duration `alloy:"idle_timeout,attr,optional"`
	ReadIdleTimeout              time.Duration `alloy:"read_idle_timeout,attr,optional"`
	PingTimeout                  time.Duration `alloy:"ping_timeout,attr,optional"`
	WriteByteTimeout             time.Duration `alloy:"write_byte_timeout,attr,optional"`
	MaxUploadBufferPerConnection int32         `alloy:"max_upload_buffer_per_connection,attr,optional"`
	MaxUploadBufferPerStream     int32         `alloy:"max_upload_buffer_per_stream,attr,optional"`
}

// GRPCServer is a grpc block.
type GRPCServer struct {
	ListenAddress              string        `alloy:"listen_address,attr,optional"`
	ListenPort                 int           `alloy:"listen_port,attr,optional"`
	ConnLimit                  int           `alloy:"conn_limit,attr,optional"`
	MaxConnectionAge           time.Duration `alloy:"max_connection_age,attr,optional"`
	MaxConnectionAgeGrace      time.Duration `alloy:"max_connection_age_grace,attr,optional"`
	MaxConnectionIdle          time.Duration `alloy:"max_connection_idle,attr,optional"`
	ServerMaxRecvMsg           int           `alloy:"server_max_recv_msg_size,attr,optional"`
	ServerMaxSendMsg           int           `alloy:"server_max_send_msg_size,attr,optional"`
	ServerMaxConcurrentStreams uint          `alloy:"server_max_concurrent_streams,attr,optional"`
	TLS                        *ServerTLS    `alloy:"tls,block,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiSourceAPI) SetToDefault() {
	*a = LokiSourceAPI{MaxSendMessageSize: 100 * units.MiB}
	a.HTTP.SetToDefault()
}

var lokiSourceAPI = kindOf(func(b *builder, a *LokiSourceAPI) map[string]any {
	to := logNodes(a.ForwardTo)
	if len(to) == 0 {
		b.noReceiver("forward_to")
		return nil
	}
	b.add(config.Node{Name: b.name(""), To: to, Args: config.PushSource{
		Listen:               net.JoinHostPort(a.HTTP.ListenAddress, strconv.Itoa(a.HTTP.ListenPort)),
		Labels:               labels.FromMap(a.Labels),
		Rules:                a.RelabelRules,
		UseIncomingTimestamp: a.UseIncomingTimestamp,
		MaxBodyBytes:         int64(a.MaxSendMessageSize),
	}})
	return nil
}).without(map[string]string{
	"grpc":                      "lighter has no gRPC server",
	"graceful_shutdown_timeout": "requests that are in progress at a stop share the time limit of the whole shutdown",
	"http.conn_limit":           "the number of connections is not limited",
	"http.server_read_timeout":  "the server has a limit of its own",
	"http.server_write_timeout": "the server has a limit of its own",
	"http.server_idle_timeout":  "the server has a limit of its own",
	"http.http2":                "the server speaks HTTP/1.1",
}).refusing(map[string]string{
	"http.tls": "put a proxy that terminates TLS in front of the port",
})
