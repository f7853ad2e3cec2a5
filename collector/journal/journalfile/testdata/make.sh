#!/bin/sh
# Makes the journal files of the tests, and what journalctl reads in them. It needs python3, zstd, journalctl and
# systemd-journal-remote (Debian: systemd-journal-remote); those here were made with systemd 252.
#
# The files of systemd-journal-remote are 8 MiB and nearly empty, so they are kept compressed. lz4.journal is of
# package journaltest, as no systemd since 246 that has Zstandard writes LZ4; journalctl reads it all the same.
set -e
cd "$(dirname "$0")"
merged=../../testdata/merged

make() { # keyed hash, compact, compression, entries, file
	rm -f "$5"
	SYSTEMD_JOURNAL_KEYED_HASH=$1 SYSTEMD_JOURNAL_COMPACT=$2 /lib/systemd/systemd-journal-remote --compress="$3" -o "$(realpath -m "$5")" - < "$4"
}

keep() { # file: with what journalctl reads in it
	journalctl --file "$1" --all -o json --no-pager | zstd -q -19 -f -o "${1%.journal}.json.zst"
	zstd -q -19 --rm -f "$1" -o "$1.zst"
}

python3 entries.py 120 > in.export
for form in "plain 0 0 no" "compact 0 1 no" "keyed-zstd 1 0 yes" "keyed-compact-zstd 1 1 yes"; do
	set -- $form
	make "$2" "$3" "$4" in.export "$1.journal"
	keep "$1.journal"
done
go run ./lz4 lz4.journal
keep lz4.journal

# A directory of several files, whose entries are of the same boots and times.
python3 - "$merged" <<'P'
import sys
blocks = open("in.export", "rb").read()
# Entries end with an empty line; the binary ones hold no empty line either.
blocks = [b + b"\n\n" for b in blocks.split(b"\n\n") if b]
names = ["system", "user-1000", "system@archived"]
for i, name in enumerate(names):
    own = [b for n, b in enumerate(blocks) if n * 7 % 5 % 3 == i]
    open(f"{sys.argv[1]}/{name}.export", "wb").write(b"".join(own))
P
for f in "$merged"/*.export; do
	make 1 1 yes "$f" "${f%.export}.journal"
done
journalctl -D "$merged" --all -o json --no-pager | zstd -q -19 -f -o "$merged/expected.json.zst"
for f in "$merged"/*.journal; do zstd -q -19 --rm -f "$f" -o "$f.zst"; done
rm -f in.export "$merged"/*.export
