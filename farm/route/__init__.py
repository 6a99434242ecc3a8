"""Where a job runs, what it costs and when it is ready. Numbers in, a decision with its reason out."""

from farm.route.accelerator import Accelerator, Pool, Speed
from farm.route.decide import decide, quote
from farm.route.footprint import Footprint, Scale, footprint, rate, seconds
from farm.route.options import estimate

__all__ = [
    "Accelerator", "Footprint", "Pool", "Scale", "Speed", "decide", "estimate", "footprint", "quote",
    "rate", "seconds",
]  # fmt: skip
