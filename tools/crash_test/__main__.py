"""``python -m tools.crash_test``: the command line."""

from __future__ import annotations

import argparse
import sys

from tools import crash_test
from tools.crash_test.patience import Wrong
from tools.crash_test.rounds import crash
from tools.crash_test.strikes import KINDS


def main() -> int:
    """Return 0 where all was right."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.crash_test",
        description=crash_test.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--strikes", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--only",
        action="append",
        choices=[kind.strike.__name__ for kind in KINDS],
        help="this kind of strike alone; may be given again",
    )
    args = parser.parse_args()
    kinds = [kind for kind in KINDS if not args.only or kind.strike.__name__ in args.only]
    try:
        print(crash(args.strikes, args.seed, lambda line: print(line, file=sys.stderr), kinds))
    except Wrong as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
