"""The HTTP face of the farm: routes over small Protocols, no torch and no Ray."""

from farm.gateway.app import create_app
from farm.gateway.ports import PreviewAnswer, PreviewOrder, Services

__all__ = ["PreviewAnswer", "PreviewOrder", "Services", "create_app"]
