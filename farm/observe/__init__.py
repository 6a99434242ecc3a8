"""What can be seen from outside: the table of metrics, meters, and logs."""

from farm.observe.logs import bound, configure
from farm.observe.meter import CONTENT_TYPE, NullMeter, PrometheusMeter
from farm.observe.metrics import METRICS, Meter, Metric, metric, series

__all__ = [
    "CONTENT_TYPE", "METRICS", "Meter", "Metric", "NullMeter", "PrometheusMeter", "bound", "configure",
    "metric", "series",
]  # fmt: skip
