#!/bin/sh
# The text heads of the catalogue on the vectors of E5: abuse in French and Arabic. Those on MiniLM are fitted by
# text_fit.py, on more texts; HEADS="hate bullying gibberish" tries them here as any head is trained.
#
#   scripts/train/text_heads.sh DATA WORK      DATA: see scripts/train/text_heads.py; WORK: where tables go
#
# The test parts choose nothing; what a training part shares with one is left out and said.
set -eu
data=${1:?give the folder of the sets}
work=${2:?give a folder for the tables}

python scripts/train/text_heads.py "$data" "$work"
for head in ${HEADS:-abuse}; do
    harmful="--harmful ${head}_3 --harmful ${head}_2 --benign ${head}_0"
    base=minilm_l6
    model=text_heads
    case $head in
        violence) harmful="--harmful violence_3 --benign violence_0" ;;
        gibberish) harmful="--harmful gibberish_1 --benign gibberish_0" ;;
        abuse) harmful="--harmful abuse_1 --benign abuse_0"; base=e5_small; model=text_heads_e5 ;;
    esac
    for part in test train; do
        hivescan dataset create "${head}_$part" "$work/${head}_$part.csv" --text-col text \
            --head "label=text_$head" --ignore source --ignore language
        hivescan dataset snapshot "${head}_$part" --on-invalid drop
    done
    # shellcheck disable=SC2086
    hivescan train $model --snapshot "${head}_train@1" --test "${head}_test@1" --base $base --select-by loss $harmful
done
