"""Databases that hold raw vectors: one module each, one interface."""

from embfilter_viz.vectors.databases.database import Database
from embfilter_viz.vectors.databases.opening import KINDS, open_database

__all__ = ["KINDS", "Database", "open_database"]
