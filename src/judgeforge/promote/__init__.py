"""The last step: a judge becomes a registered version with its evidence, and champion if the gate lets it."""
