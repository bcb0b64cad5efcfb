"""What users give on the command line: models, prompts, files, schedules, numbers.

In: texts and paths. Out: pipelines, prompts, arguments and choices, or an error that says what to try.

- `model_loading`, `model_tree`, `weightless`, `architecture_names`: models by name
- `prompts`, `argument_files`, `call_arguments`: what a pipeline is called with
- `schedule_choice`, `number_options`, `storage_names`, `worker_count`: options that commands share

Imports `cli.ui` for errors; no command. Heavy imports stand within functions.
"""
