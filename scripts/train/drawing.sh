#!/bin/sh
# Heads `drawing` and `image_type` on the vectors of CLIP: photographs against drawings, tested on other sources.
#
#   scripts/train/drawing.sh WORK --photos clothing=FOLDER --photos portraits=FOLDER --photos objects=FOLDER \
#       --photos cameras=FOLDER --photos skimage=FOLDER --photos clips=FOLDER
#
# WORK gets the packages of Debian and the pictures made of them. The folders of photographs are
# alexeygrigorev/clothing-dataset-small, the portraits of faker-js/assets-person-portrait, google/dreambooth,
# ianare/exif-samples, scikit-image's data, and the clips of fight-detection-surv-dataset (their first frames). A source
# that is not given is left out. Needs apt-get, dpkg-deb and rsvg-convert.
#
# Sources are held out whole: in turn to choose settings and to calibrate, and those of the test part until the end.
set -eu
work=${1:?give a folder for packages and pictures}
shift

python scripts/train/drawn_pictures.py "$work/pictures" --packages "$work/packages" --hybrids 200 40 "$@"
python scripts/train/drawn_heads.py "$work/pictures" --store "$work/vectors" --write
