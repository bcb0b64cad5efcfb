"""Learning: who decides what stays, and by which weights.

In: requests, one after the other. Out: the keys that leave, as of any policy, and a log of who decided when and why.

- `adaptive`: the policy that learns: shadow caches tell who would do best now, and that one decides
- `shadows`: small caches of digests, each under another policy, on a sample of the keys
- `replay`, `evolve`: the recent past under many weights at once, and the evolution of weights on it
- `audit`: the log of decisions, with which one can be taken back
- `policies`: every policy by name, those that learn among them
- `comparison`: policies beside each other on one trace, with what knowing the future gains

Imports `demand`, `policies`, `errors`, `extras`.
"""
