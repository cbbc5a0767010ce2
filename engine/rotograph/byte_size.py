"""A number of bytes as people write it."""

from __future__ import annotations


def human_size(count: float) -> str:
    """Bytes for people: ``1.5 GB``."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
