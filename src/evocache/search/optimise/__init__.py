"""The optimiser: ask and tell. It never evaluates. Pure.

In: a space, seeds and answers. Out: jobs to evaluate, and in the end a front.

- `evolution`: asked for jobs and told what came of them, generation by generation
- `job`: what is evaluated, and what may come of it
- `archive`: what was evaluated, and at what price
- `settings`, `state`: how a search goes about it, and where it is
- `polish_round`: which designs are polished in a generation
- `method`: who breeds, and what is given up early
- `nsga2`: pymoo's survival and selection with our operators
- `polish`: forecast gains by least squares
- `hypervolume`: how much of the objective space is dominated

Imports the genome; no pipeline, no journal, no torch.
"""
