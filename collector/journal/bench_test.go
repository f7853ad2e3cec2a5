package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/model/relabel"

	"lighter/collector/journal"
	"lighter/collector/journal/journaltest"
)

// entriesOfHost writes n entries as journald has them of a host's services.
func entriesOfHost(tb testing.TB, dir string, n int) {
	w := newWriter(tb, dir, journaltest.Options{Compact: true})
	for i := range n {
		unit := i % 12
		w.write("system", "_BOOT_ID=01", "_MACHINE_ID=02", "_HOSTNAME=web-1", "_RUNTIME_SCOPE=system", "_TRANSPORT=stdout", fmt.Sprintf("PRIORITY=%d", 3+i%4),
			"SYSLOG_FACILITY=3", fmt.Sprintf("SYSLOG_IDENTIFIER=service%d", unit), fmt.Sprintf("_PID=%d", 1000+unit), "_UID=0", "_GID=0", fmt.Sprintf("_COMM=service%d", unit),
			fmt.Sprintf("_EXE=/usr/bin/service%d", unit), fmt.Sprintf("_CMDLINE=/usr/bin/service%d --serve", unit), "_CAP_EFFECTIVE=1ffffffffff", "_SELINUX_CONTEXT=unconfined",
			fmt.Sprintf("_SYSTEMD_CGROUP=/system.slice/service%d.service", unit), fmt.Sprintf("_SYSTEMD_UNIT=service%d.service", unit), "_SYSTEMD_SLICE=system.slice",
			fmt.Sprintf("_SYSTEMD_INVOCATION_ID=%032x", unit), fmt.Sprintf("_STREAM_ID=%032x", unit), fmt.Sprintf("_SOURCE_REALTIME_TIMESTAMP=%d", w.clock),
			fmt.Sprintf("MESSAGE=GET /api/v1/items/%d 200 %d ms, from 10.0.%d.%d, agent Mozilla/5.0", i, i%300, i%7, i%250))
	}
	w.rotate("system")
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	const n = 20_000
	entriesOfHost(b, dir, n)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 {
		b.Fatal(files)
	}
	for name, asJSON := range map[string]bool{"message": false, "json": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancel(context.Background())
				s := &streams{enough: n, stop: cancel}
				o := options(dir, s)
				o.JSON = asJSON
				o.Rules = []*relabel.Config{rule("", "", "unit", "", "__journal__systemd_unit"), rule("", "", "level", "", "__journal_priority_keyword")}
				if err := journal.New(o).Run(ctx); err != nil || s.n != n {
					b.Fatal(err, s.n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
		})
	}
}
