"""The fault campaign: the running service while one thing after the other goes wrong.

The simulator's ledger is the oracle (`oracle`), a `World` holds the processes (`world`), each
fault is a small class that begins and ends (`faults`, `store_faults`, `device_faults`), and
`runner` lets them happen one after the other and says at the end what became of every reading.
The same readings in calm (`calm`) say what statistics and alerts ought to be.
"""
