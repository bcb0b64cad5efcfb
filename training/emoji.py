"""Everything from data to weights, one stage after another: `python -m training.emoji`.

A stage whose checkpoint says that it is complete ends at once; an interrupted one goes on.
"""

from __future__ import annotations

import argparse

from training import dit, evaluate, export, judge, latents, report, vae


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae-minutes", type=float, default=24)
    parser.add_argument("--judge-minutes", type=float, default=6)
    parser.add_argument("--dit-minutes", type=float, default=90)
    args = parser.parse_args()
    vae.main(["--minutes", str(args.vae_minutes)])
    if not judge.CHECKPOINT.exists():
        judge.main(["--minutes", str(args.judge_minutes)])
    if not latents.PATH.exists():
        latents.main([])
    dit.main(["--minutes", str(args.dit_minutes)])
    export.main([])
    evaluate.main([])
    report.main()


if __name__ == "__main__":
    main()
