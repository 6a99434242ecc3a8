"""The SDK: previews, quotes and jobs from Python, sync and async; no torch, no Ray.

with Client() as client:
    job = client.submit("jobs/print-a4.yaml")
    print(job.result().usd)
"""

from farm.client.aio import AsyncClient
from farm.client.aio_handle import AsyncJobHandle
from farm.client.handle import JobHandle
from farm.client.preview import Preview
from farm.client.sync import Client

__all__ = ["AsyncClient", "AsyncJobHandle", "Client", "JobHandle", "Preview"]
