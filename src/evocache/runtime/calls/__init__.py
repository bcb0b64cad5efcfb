"""A denoiser call: whose branch it is, and what happens in its stead, alone or together with its guidance half.

In: a call of a denoiser at a step of the clock. Out: its output, computed under the branch's row.

- `denoiser_call`: the call itself, from the branch that serves it to its output
- `denoiser_stream`: the stream of a GPU in which a generation's calls compute
- `decode_call`: what an autoencoder does instead, as planned or into a film
- `branch_choice`, `conditioning`, `conditioning_digests`: which branch serves a call, by what it is conditioned on
- `guidance`, `guidance_pairs`: the two halves of classifier-free guidance, in one call or in two

Imports `runtime.ops` and what that stands on; no generation, no gate's state.
"""
