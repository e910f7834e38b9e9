"""Build the site, and end without the teardown of what the examples have loaded.

Libraries of the examples (HDF5, ONNX Runtime, torch) share the process with Sphinx; one build in
four was aborted at the interpreter's exit ("double free"), after the site was complete.
"""

from __future__ import annotations

import os
import sys

from sphinx.cmd.build import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
