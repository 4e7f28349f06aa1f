#!/bin/sh
# Makes a folder, and calls Python with the arguments that it was given.
set -e
mkdir out
"$1" - "$2" > out/printed <<'PYTHON'
import sys, wandb
assert sys.argv[1] == "--lr=0.5", sys.argv
wandb.init().log({"loss": 0.5})
PYTHON
