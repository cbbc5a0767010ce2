"""Which channels of an EXR a reader means: part, layer and view, and what they are then called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rotograph.errors import MediaError, did_you_mean
from rotograph.exrheader import Channel, Part
from rotograph.image import ImageSpec

DTYPES = {"half": np.float16, "float": np.float32, "uint": np.uint32}


@dataclass(frozen=True)
class Choice:
    """A part, the names its channels get, and the channels they come from.

    chroma: prefix of Y, RY and BY that make up the R, G and B of this choice, or None.
    """

    part: Part
    names: tuple[str, ...]
    wanted: tuple[str, ...]
    attributes: Mapping[str, object]
    chroma: str | None

    def sources(self) -> list[Channel]:
        known = {channel.name: channel for channel in self.part.channels}
        names = list(self.wanted)
        if self.chroma is not None:
            names += [self.chroma + c for c in ("Y", "RY", "BY")]
        return [known[name] for name in names if name in known]

    def dtype(self) -> type:
        kinds = {channel.type for channel in self.sources()}
        return DTYPES[kinds.pop()] if len(kinds) == 1 else np.float32

    def spec(self) -> ImageSpec:
        return ImageSpec(
            display=self.part.display,
            data=self.part.data,
            channels=self.names,
            pixel_aspect=self.part.pixel_aspect,
            alpha="premultiplied" if "A" in self.names else "none",
            attributes=self.attributes,
        )


def views(found: Sequence[Part]) -> tuple[str, ...]:
    named = [view for part in found for view in ((part.view,) if part.view else part.views)]
    return tuple(dict.fromkeys(named))


def layers(found: Sequence[Part]) -> tuple[str, ...]:
    names = [
        prefix
        for part in found
        for channel in part.channels
        if (prefix := channel.name.rpartition(".")[0]) and prefix not in part.views
    ]
    names += [part.name for part in found if part.name and len(found) > 1]
    return tuple(dict.fromkeys(names))


def _of_view(part: Part, view: str | None) -> dict[str, str]:
    """Short name -> full name of the part's channels that ``view`` sees (ImfMultiView's rules)."""
    if not part.views:
        return {channel.name: channel.name for channel in part.channels}
    view = view or part.views[0]
    out = {}
    for channel in part.channels:
        pieces = channel.name.split(".")
        belongs = pieces[-2] if len(pieces) > 1 else part.views[0]
        if belongs == view:
            short = [*pieces[:-2], pieces[-1]] if len(pieces) > 1 else pieces
            out[".".join(short)] = channel.name
        elif belongs not in part.views:
            out.setdefault(channel.name, channel.name)
    return out


def _of_layer(part: Part, view: str | None, layer: str | None, several: bool) -> dict[str, str]:
    seen = _of_view(part, view)
    if layer is None:
        return seen
    inside = {n[len(layer) + 1 :]: full for n, full in seen.items() if n.startswith(layer + ".")}
    if not inside and several and part.name in (layer, f"{layer}.{view}"):
        return seen
    return inside


def _is_picture(part: Part) -> bool:
    names = {channel.name for channel in part.channels}
    return {"R", "G", "B"} <= names or "Y" in names


def choose(
    found: tuple[Part, ...],
    path: str | Path,
    part: int | str | None,
    layer: str | None,
    view: str | None,
    channels: Sequence[str] | None,
) -> Choice:
    known_views = views(found)
    if view is not None and view not in known_views:
        has = f"it has {', '.join(known_views)}" if known_views else "it is not stereo"
        raise MediaError(f"has no view '{view}'", file=path, hint=f"choose another: {has}")
    candidates = list(found)
    if isinstance(part, int):
        if not 0 <= part < len(found):
            raise MediaError(f"has no part {part}", file=path, hint=f"it has {len(found)}")
        candidates = [found[part]]
    elif part is not None:
        candidates = [p for p in found if p.name == part]
        if not candidates:
            hint = did_you_mean(part, [p.name for p in found if p.name])
            raise MediaError(f"has no part '{part}'", file=path, hint=hint)
    eye = view or (known_views[0] if known_views else None)
    if part is None or view is not None:
        fitting = [p for p in candidates if p.view in (None, eye)]
        candidates = fitting if view is not None else fitting or candidates
    if part is None and layer is None:
        # a picture before a depth pass, whichever stands first in the file; the sort is stable
        candidates = sorted(candidates, key=lambda p: not _is_picture(p))
    for candidate in candidates:
        several = len(found) > 1
        seen = _of_layer(candidate, eye if candidate.views else view, layer, several)
        if seen:
            return _assemble(candidate, seen, path, view, channels)
    if layer is not None:
        hint = did_you_mean(layer, layers(found))
        raise MediaError(f"has no layer '{layer}'", file=path, hint=hint)
    raise MediaError(f"has nothing of view '{view}' in that part", file=path, hint="name no part")


def _assemble(
    part: Part,
    seen: dict[str, str],
    path: str | Path,
    view: str | None,
    channels: Sequence[str] | None,
) -> Choice:
    chroma = None
    if {"Y", "RY", "BY"} <= seen.keys() and not {"R", "G", "B"} & seen.keys():
        chroma = seen["Y"][:-1]
        for name in ("Y", "RY", "BY"):
            del seen[name]
        seen |= dict.fromkeys("RGB", "")
    names = tuple(sorted(seen, key=_rank))
    if channels is not None:
        for name in channels:
            if name not in seen:
                raise MediaError(
                    f"has no channel '{name}'", file=path, hint=did_you_mean(name, names)
                )
        names = tuple(channels)
    attributes = part.attributes
    if part.views:
        attributes.pop("multiView", None)
        attributes["view"] = view or part.views[0]
    uses_chroma = chroma if any(not seen[name] for name in names) else None
    wanted = tuple(seen[name] for name in names if seen[name])
    return Choice(part, names, wanted, attributes, uses_chroma)


def _rank(name: str) -> tuple[str, int, str]:
    layer, _, last = name.rpartition(".")
    return layer, "RGBA".find(last) if last in ("R", "G", "B", "A") else 4, last
