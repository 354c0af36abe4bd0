"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns a span of time in its two largest units, such as `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24:,} d {hours % 24:02d} h"


def hours(value: float) -> str:
    """Returns hours of audio, with more digits where there are few."""
    return f"{value:,.3f}" if value < 1 else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def size(num_bytes: float) -> str:
    """Returns a number of bytes in decimal units, such as `1.25 GB`."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:,.0f} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} PB"


def times(value: float) -> str:
    """Returns how many times real time, such as `3,200x`."""
    return f"{value:,.0f}x" if value >= 10 else f"{value:.1f}x"


def plural(number: int, noun: str) -> str:
    """Returns a number with its noun, such as `1 shard` or `3 shards`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def percent(share: float) -> str:
    """Returns a share as a percentage."""
    return f"{share:.1%}"
