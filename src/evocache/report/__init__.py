"""Reports: what a run found, for terminals, browsers and papers.

In: a run's folder. Out: tables, one HTML page, PNG files.

- `tables`: tables for terminals, and the numbers in them
- `run`: what is shown of a run
- `page`, `figures`: the page; plots and sheets of images
- `usage`: the page of a report of usage

Imports the schedule, patterns of usage, and the files of searches and proofs; no torch.
"""

from ..tables import Column, table
from .figures.contact_sheet import SheetColumn, draw_contact_sheet

__all__ = ["Column", "SheetColumn", "draw_contact_sheet", "table"]
