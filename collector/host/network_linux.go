package host

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// Interfaces of containers, and the bridges that Docker makes between them, are left out, because the
// containers' metrics include their traffic: docker0, br- and the first twelve digits of a network's ID.
const leftOutInterfaces = `^(lo|veth.*|docker\d+|docker_gwbridge|br-[0-9a-f]{12}|podman\d+|cni.*|cali.*|flannel.*|vx-.*|dummy\d+|kube-ipvs\d+|ifb\d+|sit0|tunl0|gre0|gretap0|erspan0|ip_vti0|ip6tnl0|ip6gre0|ip6_vti0)$`

// network reads the host's interfaces. node_exporter would read those of its own network namespace, even
// from /host/proc/net, which in a container are the container's interfaces. network reads those of the
// host's first process, and reports them under the same names.
type network struct {
	proc    string // the directory that contains net/dev
	leftOut *regexp.Regexp
	descs   [8]*prometheus.Desc
}

func newNetwork(root string) *network {
	n := &network{proc: filepath.Join(root, "proc", "1"), leftOut: regexp.MustCompile(leftOutInterfaces)}
	if root == "/" {
		n.proc = "/proc" // readable even if processes of other users are hidden
	}
	for i, name := range [len(n.descs)]string{
		"receive_bytes", "receive_packets", "receive_errs", "receive_drop",
		"transmit_bytes", "transmit_packets", "transmit_errs", "transmit_drop",
	} {
		n.descs[i] = prometheus.NewDesc(networkPrefix+name+"_total", "What the kernel has counted of the interface: "+name+".", []string{"device"}, nil)
	}
	return n
}

func (n *network) Update(ch chan<- prometheus.Metric) error {
	fs, err := procfs.NewFS(n.proc)
	if err != nil {
		return err
	}
	interfaces, err := fs.NetDev()
	if err != nil {
		return err
	}
	for device, i := range interfaces {
		if n.leftOut.MatchString(device) {
			continue
		}
		for k, v := range [len(n.descs)]uint64{
			i.RxBytes, i.RxPackets, i.RxErrors, i.RxDropped,
			i.TxBytes, i.TxPackets, i.TxErrors, i.TxDropped,
		} {
			ch <- prometheus.MustNewConstMetric(n.descs[k], prometheus.CounterValue, float64(v), strings.ToValidUTF8(device, "\ufffd"))
		}
	}
	return nil
}
