"""A stage on a worker of a pool: what it is told, what it sends back, and how its silence is judged.

Inputs and results travel by DVC's remote and run cache alone (docs/decisions/0026).
"""
