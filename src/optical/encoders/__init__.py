"""Teacher, students and the saved artefact."""

from optical.encoders.fingerprint import fingerprint

__all__ = ["fingerprint"]
