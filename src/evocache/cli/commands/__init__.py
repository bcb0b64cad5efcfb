"""The commands, one a file: `evocache demo`, `evolve`, `front` and so on.

In: parsed arguments. Out: what is printed, and files.

Each command parses what it is given before it loads anything. What several commands share is in `cli.inputs`
(arguments,
models, prompts) and `cli.ui` (tables, progress, errors). `demo_contenders` and `demo_rows` are parts of `demo`;
`usage` is a group of commands.

Imports anything; nothing imports a command but `cli.app`. Heavy imports stand within functions.
"""
