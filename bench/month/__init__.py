"""A month of a simulated district's life: what its people are told, what it costs, what it spares.

Simulated are water, instruments, radio and people; detection, telling, the outbox and the answers
are the service's own, over a book of their own.
"""
