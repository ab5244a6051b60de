"""Figures for people. Apart from rdtd/core/sizes.py, since rdtctl starts faster without data classes."""

__all__ = ["format_bytes"]


def format_bytes(size: int) -> str:
    """For a person: `12 MiB`, `1.38 MiB`, `560 KiB`, `3 B`."""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= factor:
            return f"{size / factor:.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"
