"""hotloop without its hops or its journal: what the race measures the cost of these two with.

``python -m tools.bench.stripped CONFIG.toml hops,journal`` trades like ``hotloop run``. What is
left out is replaced by objects that do nothing, handed to the engine at construction: no setting of
hotloop's own does that, because nothing may leave before it is in the journal. Whatever is traded
this way cannot be replayed or accounted for; its one purpose is to be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path

from core.engine.engine import Engine
from core.engine.outbound import Port
from core.engine.replay import EngineOf, Untimed
from core.state.hops import Hops
from core.state.journal import Journal
from tools import app, run
from tools.app import Application
from tools.bench.rig import Forgetful
from tools.files import read_config, read_keys


def no_stamp() -> int:
    """Return a time that costs nothing to look at."""
    return 0


def engine_without(parts: Collection[str]) -> Callable[[Application], EngineOf]:
    """Return what makes an engine of an application with some of ``hops`` and ``journal``
    missing.
    """

    def of(application: Application) -> EngineOf:
        def engine(port: Port, stamp: Callable[[], int], journal: Journal, hops: Hops) -> Engine:
            return application.engine(
                port,
                no_stamp if "hops" in parts else stamp,
                Forgetful() if "journal" in parts else journal,
                Untimed() if "hops" in parts else hops,
            )

        return engine

    return of


def main() -> int:
    """Trade until told to stop."""
    path, parts = Path(sys.argv[1]), sys.argv[2].split(",")
    config = read_config(path)
    keys = read_keys(config, path, app.venue_of(config, str(path)).key_fields)
    ending = run.trade(config, path, keys, seconds=None, engine_of=engine_without(parts))
    return run.close(ending)


if __name__ == "__main__":
    sys.exit(main())
