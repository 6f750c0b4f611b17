"""Run every bench, or those named: ``python -m bench [name ...]``."""

import importlib
import pkgutil
import sys
import time
from pathlib import Path

NOT_A_BENCH = {"__main__", "table"}


def names() -> list[str]:
    """Every bench in this folder."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(each.name for each in found if not each.ispkg and each.name not in NOT_A_BENCH)


def main(asked: list[str]) -> int:
    """Run the benches asked for; each module has a ``main()``."""
    unknown = set(asked) - set(names())
    if unknown:
        print(f"no such bench: {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
        return 2
    for name in asked or names():
        started = time.perf_counter()
        importlib.import_module(f"bench.{name}").main()
        print(f"  [{name}: {time.perf_counter() - started:.0f} s]")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
