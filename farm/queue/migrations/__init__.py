"""How the tables come to be: from nothing or from those of an older farm, revision after revision.

The revisions are Alembic's. A database is upgraded by the first farm that opens it, in one transaction.
"""

from farm.queue.migrations.run import REVISIONS, upgrade

__all__ = ["REVISIONS", "upgrade"]
