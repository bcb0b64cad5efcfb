"""zoo:emoji-unet from data to weights, one stage after another: `python -m training.emoji_unet`.

A stage that is complete ends at once; an interrupted one goes on. If the judge's gate is missed the
training is extended, as far as the limit allows. Needs the weights of zoo:emoji, for their VAE.
"""

from __future__ import annotations

from training import evaluate_unet, export_unet, latents, report, unet, videos
from training.stages import options, until_met


def main(arguments: list[str] | None = None) -> None:
    args = options(__doc__, minutes=120).parse_args(arguments)
    checkpoint, data = args.work / unet.CHECKPOINT.name, args.work / videos.PATH.name
    shared = ["--processes", str(args.processes)]
    if not latents.PATH.exists():
        latents.main([])
    if not data.exists():
        videos.main(["--path", str(data), *shared])

    def stage(minutes: float) -> bool:
        work = ["--work", str(args.work), *shared]
        unet.main(["--minutes", str(minutes), "--videos", str(data), *work])
        export_unet.main(["--unet", str(checkpoint)])
        return evaluate_unet.main(["--checkpoint", str(checkpoint), *work])

    until_met(args, stage)
    report.main([evaluate_unet.NAME])


if __name__ == "__main__":
    main()
