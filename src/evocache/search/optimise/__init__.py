"""The optimiser: ask and tell. It never evaluates. Pure.

In: a space, seeds and answers. Out: jobs to evaluate, and in the end a front.

- `evolution`: generations, rungs, what is asked and told
- `nsga2`: pymoo's survival and selection with our operators
- `polish`: forecast gains by least squares
- `hypervolume`: how much of the objective space is dominated
- `ecad_search`: ECAD's own search, for comparison

Imports the genome; no pipeline, no journal, no torch.
"""
