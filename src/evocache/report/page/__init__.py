"""The report as one HTML page that needs nothing else: no network, no font, no other file.

In: what a report shows of a run. Out: HTML.

- `html_file`: the page, from its templates (`templates`, by Jinja2, which escapes every text), style and script
- `environment`: how templates become a page
- `cells`, `page_tables`, `facts`: what the templates show, as plain text
- `page_data`: what the script draws

Imports `report.run` and `tables`; no torch; Jinja2 and Plotly when a page is rendered.
"""
