"""Claim, route, run, record: what moves a job from the queue to its result. Knows nothing of Ray."""
