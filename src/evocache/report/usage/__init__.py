"""The report of usage as one HTML page that needs nothing else: no network, no script, no other file.

In: a `UsageReport` of `usage.patterns.report`. Out: HTML.

- `html_file`: the page, from its templates (Jinja2, which escapes every text) and styles
- `usage_tables`: its tables, as plain text
- `usage_charts`: what its charts show; `chart`: where lines, bars and marks of a chart stand, as SVG has it

Imports `report.page`, `usage.patterns`, `units`; Jinja2 when a page is rendered.
"""
