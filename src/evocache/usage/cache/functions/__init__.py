"""Functions whose answers a cache keeps: what `@cached` makes of them.

In: a function, a method, whatever is called. Out: the same with answers that are kept.

- `callables`: what is taken, and how its calls are bound; the rest is refused with a word of what to write
- `settings`: which settings mean nothing together
- `call_keys`: what calls have in common that ask the same
- `call`: one call, and whether its arguments are still the same
- `cached_function`: calls the function, or gives the answer that is kept
- `bound_function`: the same of an object's method

Imports `keys`, the cache itself, and `errors`.
"""
