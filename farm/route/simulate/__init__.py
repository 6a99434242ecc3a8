"""The farm's decisions on a virtual clock: traces, policies beside each other, what came of them."""

from farm.route.simulate.comparison import POLICIES, compare
from farm.route.simulate.fleet import fleet
from farm.route.simulate.generate import KINDS, Extent, generate
from farm.route.simulate.report import Outcome
from farm.route.simulate.trace import Trace

__all__ = ["KINDS", "POLICIES", "Extent", "Outcome", "Trace", "compare", "fleet", "generate"]
