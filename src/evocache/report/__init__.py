"""Reports: tables for terminals and labelled sheets of images."""

from .figures.contact_sheet import SheetColumn, contact_sheet
from .tables import Column, table

__all__ = ["Column", "SheetColumn", "contact_sheet", "table"]
