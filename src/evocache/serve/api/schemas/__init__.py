"""Schemas: bodies of requests and answers, as OpenAI's clients write and read them.

In: JSON or forms. Out: requests that are checked as far as they can be without a model.

- `extensions`: fields of our own, which every request that generates has
- `size`: pixels as `"WxH"`
- `images`: bodies of pictures
- `promised`: what all jobs are told by
- `errors`: the body of an error

Imports requests.
"""
