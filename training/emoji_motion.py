"""zoo:emoji-motion from data to weights, one stage after another: `python -m training.emoji_motion`.

A stage that is complete ends at once; an interrupted one goes on. If a gate of the judge is missed
the training is extended, as far as the limit allows. Needs what `python -m training.emoji_unet` leaves.
"""

from __future__ import annotations

from training import evaluate_motion, export_unet, motion, report, unet, video_judge, videos
from training.stages import options, until_met


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__, minutes=90)
    parser.add_argument("--judge-minutes", type=float, default=8)
    args = parser.parse_args(arguments)
    checkpoints = {part: args.work / part.CHECKPOINT.name for part in (unet, motion, video_judge)}
    base, data = str(checkpoints[unet]), args.work / videos.PATH.name
    work = ["--work", str(args.work), "--processes", str(args.processes)]
    video_judge.main(["--minutes", str(args.judge_minutes), *work])

    def stage(minutes: float) -> bool:
        motion.main(["--minutes", str(minutes), "--videos", str(data), "--unet", base, *work])
        export_unet.main(["--unet", base, "--motion", str(checkpoints[motion])])
        judge = str(checkpoints[video_judge])
        return evaluate_motion.main(["--checkpoint", str(checkpoints[motion]), "--unet", base, "--judge", judge, *work])

    until_met(args, stage)
    report.main([evaluate_motion.NAME])


if __name__ == "__main__":
    main()
