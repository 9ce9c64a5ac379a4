"""The real handlers under a scheduler that decides everything by a seed: see docs/simulation.md."""
