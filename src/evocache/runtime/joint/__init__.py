"""Denoiser calls of several generations, computed as one.

In: calls that wait, each with its arguments and the operations of its own schedule. Out: what each of them returns.

- `lane`: a call that waits, and where it is handed over
- `flat`: a call's arguments as a list, and back
- `arguments`: which arguments have a row for each sample, and one call's worth of arguments from several
- `module_rows`: the same of modules within the denoiser, as seen when a kind of calls is proved
- `proof`: whether calls of a kind, computed together, give what they give alone
- `joint_op`, `given`, `joint_call`: a module's call, its arguments, and the denoiser's, for several at once

Imports attach, ops and the model; it knows no engine, which decides who meets whom.
"""
