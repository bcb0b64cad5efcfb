"""Write the real renderings that the tests judge, where no font is at hand."""

import numpy as np

from evocache.zoo.prompts import sample_prompts
from training.evaluate import renderings
from training.paths import ROOT


def main() -> None:
    prompts = sample_prompts(40, seed=40)
    images = (renderings(prompts, seed=40) * 255).round().astype(np.uint8)
    np.savez_compressed(ROOT / "tests" / "zoo" / "renderings.npz", images=images, prompts=np.array(prompts))


if __name__ == "__main__":
    main()
