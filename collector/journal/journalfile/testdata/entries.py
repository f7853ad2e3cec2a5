# Writes entries in the journal's export format to standard output.
import sys, struct
boot = ["3aeed50c05cd4aa9979ffde56d3a56a8", "7e2757c42f884005ab7bb72d65237f03"]
machine = "bfabd15718105cd8af4028eb59cf427b"
def out(fields):
    b = b""
    for k, v in fields:
        if isinstance(v, str): v = v.encode()
        if b"\n" in v or any(c < 32 and c != 9 for c in v):
            b += k.encode() + b"\n" + struct.pack("<Q", len(v)) + v + b"\n"
        else:
            b += k.encode() + b"=" + v + b"\n"
    sys.stdout.buffer.write(b + b"\n")
n = int(sys.argv[1])
for i in range(n):
    bt = boot[0] if i < n // 2 else boot[1]
    rt = 1767225600000000 + i * 1500000 - (3600000000 if i >= n // 2 else 0)  # the second boot's clock is an hour behind
    f = [("__REALTIME_TIMESTAMP", str(rt)), ("__MONOTONIC_TIMESTAMP", str(5000000 + (i % (n // 2)) * 1500000)), ("_BOOT_ID", bt),
         ("_MACHINE_ID", machine), ("_HOSTNAME", "web-1"), ("PRIORITY", str(i % 8)), ("_TRANSPORT", "journal" if i % 3 else "syslog"),
         ("_SYSTEMD_UNIT", ["nginx.service", "ssh.service", "cron.service"][i % 3]), ("SYSLOG_IDENTIFIER", ["nginx", "sshd", "CRON"][i % 3]), ("_PID", str(100 + i % 5))]
    m = "request %d took %d ms" % (i, i * 7 % 400)
    if i % 10 == 3: m = "a long message of entry %d: " % i + "lorem ipsum dolor sit amet " * 60
    if i % 10 == 5: m = "two lines\nof entry %d" % i
    if i % 10 == 7: m = b"bytes \xff\xfe\x01 of entry %d" % i
    if i % 10 == 9: m = "Grüße <b>&</b> „%d“ \u2028 \"quoted\" back\\slash\ttab" % i
    if i % 20 != 19: f.append(("MESSAGE", m))
    if i % 17 == 4: f += [("TAG", "one"), ("TAG", "two")]
    out(f)
