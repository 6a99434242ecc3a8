"""Where pixels live: blobs named by their bytes, and files that appear whole or not at all."""

from farm.store.blobs import BlobStore
from farm.store.files import publish
from farm.store.upload import Upload

__all__ = ["BlobStore", "Upload", "publish"]
