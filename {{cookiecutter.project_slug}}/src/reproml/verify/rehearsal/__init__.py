"""A rehearsal: a user's own data and task, trained briefly and often, to prove them exact before a long training.

The first training is the one that all others are compared with: again in a fresh process, with other workers, without
resume points, interrupted at several moments, and with another seed, which has to differ.
"""
