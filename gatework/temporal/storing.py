"""The store of a deployment, as GATEWORK_STORE names it: a folder, or a bucket."""

from __future__ import annotations

import os

from gatework.errors import ConfigError
from gatework.store import VARIABLE, Folder, Store, folder_at


def configured() -> str:
    """Where this deployment keeps what is too large for Temporal; empty where nothing is set."""
    return os.environ.get(VARIABLE, "").strip()


def documents(location: str = "") -> Store:
    """The documents of this deployment: those in the store that GATEWORK_STORE names, unless a location is given.

    Raises `ConfigError` where there is none, or the location is no place.
    """
    location = location or configured()
    if not location:
        raise ConfigError(f"There is no store of documents; set {VARIABLE} to a folder, or to s3://BUCKET/PREFIX.")
    folder = folder_at(location)
    if folder is None:
        raise ConfigError(f"{VARIABLE} names no store that there is.")
    return Store(Folder(folder))
