"""What a job would give by now, as small pictures, without a word of it to the job.

In: a job that denoises. Out: pictures, from the tail of its pipeline's own call: the latents are the job's, as clean as
its latest step has them, and nothing is computed but a small decoding.

- `trace`: what is kept of a job for it, from the first time that a preview is asked for
- `clean_latents`: what a step of a scheduler says of the latents without noise
- `tail`: a pipeline's call in which no encoder and no denoiser computes, and the latents are given
- `small_decode`, `pictures`: few latents, and what a pipeline returned as pictures
- `wish`, `previewer`: a preview that somebody waits for; when it is made, and at whose cost

Imports runtime and below, and `isolation`; it knows no conductor.
"""
