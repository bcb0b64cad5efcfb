"""What users see in the terminal: tables, progress, errors.

In: values. Out: text on stdout and stderr.

- `console`, `failures`, `stop_signals`: where is printed, how errors are told, how Ctrl-C is taken
- `waits`, `step_count`, `live_display`, `front_table`, `model_view`, `saved_work`: what is shown
- `picture_files`, `machine_info`: names and metadata of pictures

Imports no command and no input. Heavy imports stand within functions.
"""
