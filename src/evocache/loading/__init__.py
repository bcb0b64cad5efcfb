"""Loading whatever a user may name as a model.

In: a zoo name, the folder of a diffusers pipeline, or a hub id. Out: a pipeline on its device.

- `pipelines`: where a model is, how many bytes it has, and the pipeline itself
- `siblings`, `example_call`: pipelines on the same parts that begin with a picture; a call to try one with
- `dtypes`: names of types and devices

Imports `runtime` and the zoo; torch and diffusers within functions.
"""
