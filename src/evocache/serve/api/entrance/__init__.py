"""The entrance: what every request passes before any route, and what is said of it afterwards.

In: requests as they come from anybody. Out: requests with an identity, bodies within limits, headers of answers.

- `request_log`: each request has an id, a line in the log, metrics and a trace; a fault is answered
- `guard`: refuses, or tells the routes who asks
- `browsers`: hosts and origins: what pages of other sites may not do
- `bodies`: how large bodies are and how long they take
- `headers`: of all answers: security, and what is left of a key's quota
- `slow_clients`: connections that send nothing

Imports access, observe, the service and the API's errors.
"""
