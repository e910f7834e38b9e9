"""The command ``python -m xai4land.coupling.yac run.yaml``."""

import sys

from xai4land.coupling.yac.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
