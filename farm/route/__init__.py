"""Where a job runs, what it costs and when it is ready. Numbers in, a decision with its reason out."""

from farm.route.accelerator import Accelerator, Pool, Speed
from farm.route.cost import estimate
from farm.route.decide import decide, quote
from farm.route.footprint import Footprint, Scale, footprint, rate, seconds

__all__ = [
    "Accelerator", "Footprint", "Pool", "Scale", "Speed", "decide", "estimate", "footprint", "quote",
    "rate", "seconds",
]  # fmt: skip
