#!/bin/sh
# A head that tells spam from ham in short messages, on the vectors of MiniLM.
#
#   scripts/train/sms_spam.sh spam.csv    the SMS Spam Collection: v1 ham or spam, v2 the message (latin-1)
#
# --on-invalid drop leaves out the rows that are copies of others before anything is split.
set -eu
table=${1:?give the table}

hivescan dataset create sms_spam "$table" --text-col v2 --head v1=spam
hivescan dataset snapshot sms_spam --on-invalid drop
hivescan train sms_spam --snapshot sms_spam@1 --test-split 0.2 --harmful spam --benign ham
