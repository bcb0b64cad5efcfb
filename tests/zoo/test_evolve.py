"""A short evolution of the trained model: better than all that it starts from, on prompts that it did not see, too."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import zoo
from evocache.schedule.front.front import front_of
from evocache.search.calibrate.calibrate import calibrate
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.genome.search_space import Space
from evocache.search.objectives import ERROR
from evocache.search.optimise.hypervolume import Box
from evocache.search.optimise.settings import Settings
from evocache.search.run import Run
from evocache.search.seeds.seed_schedules import make_seeds
from evocache.zoo.prompts import sample_prompts

STEPS = 5
CALL = {**zoo.find("zoo:emoji").call_defaults, "num_inference_steps": STEPS}
SEEN, UNSEEN = (0, 1), (2, 3)


@pytest.mark.slow
def test_the_front_is_better_than_its_seeds_on_unseen_prompts(tmp_path):
    prompts = [*sample_prompts(len(SEEN), seed=0), *sample_prompts(len(UNSEEN), seed=0, held_out=True)]
    evaluator = LocalEvaluator(zoo.load("zoo:emoji"), Workload.of(prompts, CALL, batch=len(SEEN)), quality("latent"))
    calibration = calibrate(evaluator, SEEN, schedules=(0, 0))
    space, costs = Space(evaluator.tree, STEPS), calibration.costs
    seeds = make_seeds(space.tree, calibration)
    settings = Settings(
        population=8, offspring=4, generations=3, prompts=len(SEEN), rungs=(1,), polish=2, polish_prompts=len(SEEN)
    )
    states = []
    run = Run(tmp_path, space, seeds, settings, lambda s: {"macs": costs.macs(s)}, evaluator)
    front = run.evolve(lambda progress: states.append(progress.state))

    volumes = [state.hypervolume for state in states]
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[0] + 0.002
    for point in front:  # what the front claims is what its schedules do
        assert np.mean(evaluator.errors(point.schedule, SEEN)) == pytest.approx(point.objectives[ERROR], abs=0.5)

    def unseen(points):
        return np.array([(np.mean(evaluator.errors(p.schedule, UNSEEN)), p.objectives["macs"]) for p in points])

    before = unseen(p for p in front_of(states[0].points, states[0].names) if not p.schedule.is_full)
    after = unseen(p for p in front if not p.schedule.is_full)
    box = Box.around(before)
    assert box.volume(after) > box.volume(before)
