#!/bin/sh
# Heads `drawing` and `image_type` on the vectors of CLIP: photographs against drawings, tested on other sources.
#
#   scripts/train/drawing.sh WORK --photos clothing=FOLDER --photos portraits=FOLDER --photos objects=FOLDER \
#       --photos cameras=FOLDER --photos skimage=FOLDER --photos clips=FOLDER
#
# WORK gets the packages of Debian and the pictures made of them. The folders of photographs are
# alexeygrigorev/clothing-dataset-small, the portraits of faker-js/assets-person-portrait, google/dreambooth,
# ianare/exif-samples, scikit-image's data, and frames of clips (scripts/train/fight_frames.py). A source that is not
# given is left out. Needs apt-get, dpkg-deb and rsvg-convert.
#
# Sources are held out whole: in turn to choose settings and to calibrate, and those of the test part until the end.
set -eu
work=${1:?give a folder for packages and pictures}
shift

python scripts/train/drawn_pictures.py "$work/pictures" --packages "$work/packages" "$@"
for part in train test; do
    hivescan dataset create "drawing_$part" "$work/pictures/$part.csv" --image-col path \
        --head drawing --head image_type --column source
done
hivescan dataset snapshot drawing_test --on-invalid drop
hivescan dataset snapshot drawing_train --test drawing_test@1 --on-invalid drop
hivescan train drawing --snapshot drawing_train@1 --test drawing_test@1 --split-by source \
    --head-kind linear --benign no_drawing
