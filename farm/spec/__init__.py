"""What may be asked and what can happen. Plain frozen values; no behaviour beyond validation."""

from farm.spec.event import Event, parse_event
from farm.spec.job import Job, PreviewJob, PrintJob, parse_job
from farm.spec.output import Output
from farm.spec.quality import EngineOptions, Quality
from farm.spec.record import JobRecord, Lease, TaskRecord, TaskSpec
from farm.spec.routing import Decision, Option, Quote, Routing
from farm.spec.state import JobState, TaskState
from farm.spec.style import Rights, StyleRef

__all__ = [
    "Decision", "EngineOptions", "Event", "Job", "JobRecord", "JobState", "Lease", "Option", "Output",
    "PreviewJob", "PrintJob", "Quality", "Quote", "Rights", "Routing", "StyleRef", "TaskRecord",
    "TaskSpec", "TaskState", "parse_event", "parse_job",
]  # fmt: skip
