"""Figures as files: plots for papers, memory over a generation, labelled sheets of images.

In: what a report shows, or a memory plan, or images. Out: PNG files and images.

- `plots`: fronts, hypervolume, importance
- `memory_plot`: memory by stage and step
- `usage_plot`: hit rates of a learning cache and a static one
- `contact_sheet`: images in a labelled grid

Imports `report.run`; no HTML, no torch.
"""
