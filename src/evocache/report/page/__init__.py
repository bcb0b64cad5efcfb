"""The report as one HTML page that needs nothing else: no network, no font, no other file.

In: what a report shows of a run. Out: HTML.

- `html_file`: the page, from its template, style and script
- `sections`: prose and tables, escaped
- `page_data`: what the script draws, as JSON

Imports `report.run` and `tables`; no plotting, no torch.
"""
