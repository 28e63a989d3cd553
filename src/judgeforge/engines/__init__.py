"""Ways to run a judge, behind one protocol. Each heavy library stays in its engine's file."""
