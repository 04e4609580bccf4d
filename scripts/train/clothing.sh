#!/bin/sh
# A head for ten kinds of clothes on the vectors of CLIP, measured on the data's own test part.
#
#   scripts/train/clothing.sh FOLDER      with the subfolders train, validation and test, a folder a class
#
# Settings are chosen on items held out of train and validation; the test part is looked at once, at the end.
set -eu
data=${1:?give the folder that has train, validation and test}

hivescan dataset create clothing_test "$data/test" --head garment
hivescan dataset snapshot clothing_test --on-invalid drop
hivescan dataset create clothing "$data/train" --head garment
hivescan dataset add clothing "$data/validation" --head garment
hivescan dataset snapshot clothing --test clothing_test@1 --on-invalid drop
hivescan train clothing --snapshot clothing@1 --test clothing_test@1
