#!/bin/sh
# A head for hate (0), offensive language (1) and neither (2) in tweets, on the vectors of a text model.
#
#   scripts/train/offensive_tweets.sh labeled_data.csv [BASE]
#
# Of 24,783 tweets 1,430 are hate: settings and class weights are chosen by the mean F1 of the three classes.
set -eu
table=${1:?give the table}
base=${2:-minilm_l6}

hivescan dataset create offensive_tweets "$table" --text-col tweet --head class \
    --ignore count --ignore hate_speech --ignore offensive_language --ignore neither
hivescan dataset snapshot offensive_tweets --on-invalid drop
hivescan train offensive_tweets --snapshot offensive_tweets@1 --test-split 0.2 --base "$base" \
    --select-by f1 --harmful 0 --harmful 1 --benign 2
