#!/bin/sh
# Three specialists in pictures made by AI, each a head on texture_lite2, and one EfficientNet that learns from them.
#
#   scripts/train/trace_specialists.sh WORK     the folder that scripts/train/trace_specialists.py filled
#
# Held_out has sources that none of them saw. Settings of the heads are chosen on items held out of training.
set -eu
work=${1:?give the folder that trace_specialists.py filled}

for name in latent edits gan all held_out; do
  hivescan dataset create "traces_$name" "$work/$name" --head ai_generated -q
  hivescan dataset snapshot "traces_$name" --on-invalid drop
done
for name in latent edits gan; do
  hivescan train "${name}_traces" --snapshot "traces_$name@1" --test traces_held_out@1 --base texture_lite2 \
    --benign not_ai_generated
done
hivescan distill ai_student --teachers latent_traces,edits_traces,gan_traces --join max --snapshot traces_all@1 \
  --own traces_held_out@1 --max-epochs 3 --early-stopping 3 --learning-rate 0.001
