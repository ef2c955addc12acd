"""``python -m tools.crash_test``: the command line."""

from __future__ import annotations

import argparse
import sys

from tools import crash_test
from tools.crash_test.patience import Wrong
from tools.crash_test.rounds import crash, kinds_at
from tools.crash_test.strikes import KINDS
from tools.demo import MARKETS


def main() -> int:
    """Return 0 where all was right."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.crash_test",
        description=crash_test.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--venue", choices=MARKETS, default="binance", help="default: binance")
    parser.add_argument("--strikes", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--only",
        action="append",
        choices=[kind.strike.__name__ for kind in KINDS],
        help="this kind of strike alone; may be given again",
    )
    args = parser.parse_args()
    can = kinds_at(args.venue)
    kinds = [kind for kind in can if not args.only or kind.strike.__name__ in args.only]
    if not kinds:
        parser.error(f"--only: {args.venue} has no dead-man switch")

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        print(crash(args.strikes, args.seed, tell, kinds, args.venue))
    except Wrong as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
