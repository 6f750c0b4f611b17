# ruff: noqa: INP001 - the folder of a packed component is no package
"""Entry point of the packed evaluator: ``python3 main.py evaluate``.

The folder holds its own copy of what it needs, so that its bytes fix the meaning of its numbers.
The folder comes first on the path, before a MedPerf that may be installed beside it.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from medperf.components.evaluator.program import main  # noqa: E402 - the path comes first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
