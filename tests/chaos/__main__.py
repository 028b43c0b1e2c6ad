"""Run the campaign: `python -m tests.chaos --folder workspace/chaos --seeds 1 2 3`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from tests.chaos.clocks import restart_with_library


def main(arguments: argparse.Namespace) -> int:
    """Run what is not noted yet; print the table; 1 where something differed."""
    # Only here: with the clock's library the program starts anew, and these take seconds.
    from tests.chaos.campaign import read_results, run_stages, table
    from tests.chaos.stages import STAGES
    from tests.chaos.whole_chain import CHAIN, run_chains

    wanted = arguments.stages or [*STAGES, CHAIN]
    unknown = [name for name in wanted if name not in (*STAGES, CHAIN)]
    if unknown:
        print(f"no stage {unknown[0]!r}; expected some of: {', '.join([*STAGES, CHAIN])}",
              file=sys.stderr)  # fmt: skip
        return 2
    run_stages(arguments.folder, seeds=arguments.seeds, stages=[s for s in wanted if s != CHAIN])
    if CHAIN in wanted:
        run_chains(arguments.folder, seeds=arguments.seeds)
    results = [r for r in read_results(arguments.folder) if r["seed"] in arguments.seeds]
    print(table(results))
    wrong = [r for r in results if r["differences"]]
    for r in wrong:
        print(f"seed {r['seed']}, {r['stage']}, {r['fault']}: {'; '.join(r['differences'])}")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("workspace/chaos"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--stages", nargs="*", help="some of them; without: all")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    restart_with_library(options.folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up
    sys.exit(main(options))
