"""The models and styles the farm has: cards, hashes, licences and the right to use a style."""

from farm.catalog.cards import ModelCard, StyleCard, Training, digest, read_card, write_card
from farm.catalog.catalogue import Catalogue, Finding
from farm.catalog.folder import models_folder
from farm.catalog.rights import check_rights

__all__ = [
    "Catalogue", "Finding", "ModelCard", "StyleCard", "Training", "check_rights", "digest",
    "models_folder", "read_card", "write_card",
]  # fmt: skip
