"""Loading whatever a user may name as a model.

In: a zoo name, the folder of a diffusers pipeline, or a hub id. Out: a pipeline on its device.

- `pipelines`: where a model is, how many bytes it has, and the pipeline itself
- `siblings`, `masked`: pipelines on the same parts that begin with a picture, or paint under a mask
- `loras`, `lora_files`: which LoRAs a request names; files of them, loaded into a pipeline
- `example_call`: a call to try a pipeline with
- `dtypes`: names of types and devices

Imports `runtime` and the zoo; torch and diffusers within functions.
"""
