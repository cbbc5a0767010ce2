"""Colour spaces through OpenColorIO: which one a plate is in, and how to leave it.

RGB only; alpha never passes through here. A ``Colour`` is one OCIO config, handed to whoever needs
it, so that two shows in one engine do not mix.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio

from rotograph.attribute import Attribute
from rotograph.errors import ColourError, did_you_mean

BUILT_IN = "ocio://default"
_BETWEEN = "ACES2065-1"
HALF_MAX = 65504.0
_FAILURES = (ocio.Exception, ocio.ExceptionMissingFile)

# chromaticities (red, green, blue, white; x and y each) and the names of their linear spaces
_GAMUTS = (
    ((0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767), ("lin_ap1", "ACEScg")),
    ((0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767), ("ACES2065-1", "lin_ap0")),
    ((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290), ("lin_rec709", "lin_srgb")),
    ((0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290), ("lin_rec2020",)),
    ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290), ("lin_p3d65",)),
    ((0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290), ("lin_adobergb",)),
)
_MOVIES = (".mov", ".mp4", ".m4v", ".mxf", ".mkv", ".avi", ".webm")
_DISPLAY_FORMATS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".tga", ".webp")


@dataclass(frozen=True)
class Colour:
    """An OCIO config.

    source: what it was loaded from. digest: names everything in it that can move a pixel: the
    config's text, the values of its variables and the content of its LUT files.
    """

    source: str
    digest: str
    config: ocio.Config = field(compare=False, repr=False)

    @property
    def scene_linear(self) -> str:
        """The space of the ``scene_linear`` role."""
        return self.space(ocio.ROLE_SCENE_LINEAR)

    def is_linear(self, space: str) -> bool:
        """Whether a space holds scene-linear values, as a picture in an EXR is taken to."""
        return self.config.getColorSpace(space).getEncoding() == "scene-linear"

    def space(self, name: str) -> str:
        """The config's own name for a space, alias or role, upper and lower case alike.

        Raises ColourError, with the nearest name.
        """
        found = self.config.getColorSpace(name)
        if found is None:
            raise ColourError(
                f"the OCIO config has no colour space '{name}'",
                hint=did_you_mean(name, self._known()),
            )
        return found.getName()

    def _known(self) -> list[str]:
        spaces = list(self.config.getColorSpaces())
        return [n for s in spaces for n in (s.getName(), *s.getAliases())] + [
            role for role, _ in self.config.getRoles()
        ]

    def _first(self, *names: str) -> str | None:
        return next((s.getName() for n in names if (s := self.config.getColorSpace(n))), None)

    def resolve(
        self,
        path: str | Path,
        *,
        explicit: str | None = None,
        attributes: Mapping[str, object] | None = None,
        floating: bool | None = None,
    ) -> str:
        """The space that a plate's pixels are in; the first of these that answers.

        1. ``explicit``, the node's parameter. 2. A file rule of the config that looks at more of
        the path than its extension. 3. The file's attributes: colorInteropID,
        acesImageContainerFlag, oiio:ColorSpace, chromaticities. 4. The config's rule for the
        extension, or for integer formats its default rule; but for float files (EXR) the built-in
        config, whose rules nobody chose, is not asked. 5. ``compositing_log`` for DPX and
        Cineon unless their header says otherwise; ``scene_linear``.

        floating: whether the file holds float pixels (by default, what its extension suggests).
        Raises ColourError when ``explicit`` or a rule names an unknown space.
        """
        if explicit:
            return self.space(explicit)
        extension = os.path.splitext(str(path))[1].lower()
        floating = extension not in (*_MOVIES, *_DISPLAY_FORMATS) if floating is None else floating
        ruled, rule = self.config.getColorSpaceFromFilepath(str(path))
        _, plain_rule = self.config.getColorSpaceFromFilepath("_" + os.path.splitext(str(path))[1])
        last = self.config.getFileRules().getNumEntries() - 1
        if rule not in (plain_rule, last):
            return self.space(ruled)
        stated = self._stated(attributes or {})
        if stated is not None:
            return stated
        log = self._first(ocio.ROLE_COMPOSITING_LOG)
        if extension in (".dpx", ".cin") and rule == last and log is not None:
            return log
        chosen = self.source != BUILT_IN
        if not floating or (chosen and rule != last):
            return self.space(ruled)
        return self.scene_linear

    def _stated(self, attributes: Mapping[str, object]) -> str | None:
        """What the file says of itself, where this config knows it."""
        for name in ("colorInteropID", "oiio:ColorSpace"):
            said = attributes.get(name)
            if isinstance(said, str) and said.lower() not in (
                "",
                "unknown",
                "linear",
                "scene_linear",
            ):
                if said.lower() in ("srgb", "rec709"):
                    said = "srgb_texture" if said.lower() == "srgb" else "g24_rec709"
                if found := self._first(said):
                    return found
        if attributes.get("acesImageContainerFlag") == 1:
            return self._first("ACES2065-1", "lin_ap0")
        transfer = str(attributes.get("dpx:Transfer", "")).lower()
        if transfer == "linear":
            return self.scene_linear
        if "709" in transfer:
            return self._first("rec709_display", "g24_rec709")
        given = attributes.get("chromaticities")
        given = given.value if isinstance(given, Attribute) else given
        if isinstance(given, (tuple, list)) and len(given) == 8:
            for known, names in _GAMUTS:
                if np.allclose(np.asarray(given, float), known, rtol=0, atol=1e-3):
                    return self._first(*names)
        return None

    def convert(self, rgb: np.ndarray, source: str, target: str) -> np.ndarray:
        """A copy of ``rgb`` in another space: ``(H, W, 3)`` float32, unclamped.

        NaN stays NaN. Raises ColourError when there is no way from one to the other.
        """
        out = np.array(rgb, dtype=np.float32, order="C", copy=True)
        source, target = self.space(source), self.space(target)
        if source != target and out.size:
            _apply(_conversion(self, source, target), out)
        return out

    def to_linear(self, rgb: np.ndarray, source: str) -> np.ndarray:
        """``rgb`` in the ``scene_linear`` role: ``(H, W, 3)`` float32, unclamped."""
        return self.convert(rgb, source, ocio.ROLE_SCENE_LINEAR)

    def to_model(self, rgb: np.ndarray, source: str, space: str = "ACEScct") -> np.ndarray:
        """What a model sees: ``harmless`` pixels in its input space.

        ``(H, W, 3)`` float32; in ACEScct roughly 0 to 1.1, never outside -0.5 to 1.5. A config
        that knows no such space, for a studio has names of its own, is left through its
        ``aces_interchange`` role (or what OCIO recognises), and the built-in config goes on from
        there. Raises ColourError when there is no way.
        """
        seen = harmless(rgb)
        if self.config.getColorSpace(space) is None:
            if seen.size:
                _apply(_leaving(self, self.space(source)), seen)
            seen = _built_in().convert(seen, _BETWEEN, space)
        else:
            seen = self.convert(seen, source, space)
        return np.clip(harmless(seen), -0.5, 1.5)

    def to_display(
        self, rgb: np.ndarray, source: str, *, display: str | None = None, view: str | None = None
    ) -> np.ndarray:
        """A picture to look at: ``(H, W, 3)`` uint8.

        By default for the config's sRGB display (its default display if it has none), through
        that display's default view. Slow (an ACES view takes 0.4 s a megapixel): scale down first.
        """
        out = self.to_view(rgb, source, *self.viewed(display, view))
        return (np.clip(out, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)

    def to_view(self, rgb: np.ndarray, source: str, display: str, view: str) -> np.ndarray:
        """Display values, ``(H, W, 3)`` float32, 0 to 1 for black to white, unclamped."""
        out = harmless(rgb)
        if out.size:
            _apply(_viewing(self, self.space(source), display, view), out)
        return harmless(out)

    def viewed(self, display: str | None = None, view: str | None = None) -> tuple[str, str]:
        """(display, view) of pictures to look at: the config's sRGB display, else its default one,
        and that display's default view. Raises ColourError when those named are not there."""
        displays = list(self.config.getDisplays())
        if display is None:
            srgb = (name for name in displays if name.lower().startswith("srgb"))
            display = next(srgb, self.config.getDefaultDisplay())
        elif display not in displays:
            raise ColourError(f"no display '{display}'", hint=did_you_mean(display, displays))
        views = list(self.config.getViews(display))
        view = view or self.config.getDefaultView(display)
        if view not in views:
            raise ColourError(f"no view '{view}'", hint=did_you_mean(view, views))
        return display, view


def load(source: str | None = None, variables: Mapping[str, str] | None = None) -> Colour:
    """The config at ``source`` (a path or ``ocio://`` name), else of ``$OCIO``, else the built-in
    ACES CG config.

    variables: the values of the config's context variables; by default this process's environment.
    Raises ColourError when it cannot be read.
    """
    source = source or os.environ.get("OCIO") or BUILT_IN
    # OCIO keeps LUT files by name: one that has changed would go by the new digest unread
    ocio.ClearAllCaches()
    try:
        config = ocio.Config.CreateFromFile(source)
        if variables is not None:
            _set_variables(config, variables)
        config.validate()
        return Colour(source, _digest(config, source), config)
    except _FAILURES as error:
        raise ColourError(
            f"the OCIO config cannot be used: {str(error)[:200]}",
            file=source,
            hint="correct $OCIO, or unset it for the built-in ACES config",
        ) from error


def harmless(rgb: np.ndarray) -> np.ndarray:
    """A float32 copy with NaN as 0 and everything within what a half can hold."""
    out = np.nan_to_num(
        np.asarray(rgb, dtype=np.float32), copy=True, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX
    )
    return np.ascontiguousarray(np.clip(out, -HALF_MAX, HALF_MAX, out=out))


@functools.lru_cache(maxsize=64)
def _conversion(colour: Colour, source: str, target: str) -> ocio.CPUProcessor:
    try:
        return colour.config.getProcessor(source, target).getDefaultCPUProcessor()
    except _FAILURES as error:
        raise ColourError(
            f"no way from '{source}' to '{target}': {str(error)[:200]}",
            hint="choose another colour space, or check the config's LUT files",
        ) from error


@functools.lru_cache(maxsize=16)
def _leaving(colour: Colour, source: str) -> ocio.CPUProcessor:
    """From a space of a config to one that the built-in config knows as well."""
    try:
        way = ocio.Config.GetProcessorToBuiltinColorSpace(colour.config, source, _BETWEEN)
        return way.getDefaultCPUProcessor()
    except _FAILURES as error:
        raise ColourError(
            f"the OCIO config does not know the space that the model sees in, nor how '{source}' "
            f"relates to ACES: {str(error)[:200]}",
            hint="set the role aces_interchange in the config",
        ) from error


@functools.cache
def _built_in() -> Colour:
    return load(BUILT_IN)


@functools.lru_cache(maxsize=16)
def _viewing(colour: Colour, source: str, display: str, view: str) -> ocio.CPUProcessor:
    transform = ocio.DisplayViewTransform(src=source, display=display, view=view)
    try:
        return colour.config.getProcessor(transform).getDefaultCPUProcessor()
    except _FAILURES as error:
        raise ColourError(
            f"no way from '{source}' to '{display}': {str(error)[:200]}",
            hint="check the config's LUT files",
        ) from error


def _apply(processor: ocio.CPUProcessor, rgb: np.ndarray) -> None:
    """In place, on a contiguous array; CPU processors may be used by several threads at once."""
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"colour is (H, W, 3), not {rgb.shape}")
    processor.applyRGB(rgb)


def _set_variables(config: ocio.Config, variables: Mapping[str, str]) -> None:
    """Put these in the place of what OCIO took from this process's environment."""
    context = config.getCurrentContext()
    context.clearStringVars()
    declared = {n: config.getEnvironmentVarDefault(n) for n in config.getEnvironmentVarNames()}
    for name, value in {**declared, **variables}.items():
        if not declared or name in declared:  # a config that declares any takes no others
            context.setStringVar(name, value)


def _digest(config: ocio.Config, source: str) -> str:
    """Two configs that give the same pixels may differ in this; never the other way round."""
    out = hashlib.blake2b(digest_size=16)
    context = config.getCurrentContext()
    pieces = [config.serialize().encode()]
    names = sorted(set(config.getEnvironmentVarNames()))
    pieces += [f"{n}={context.resolveStringVar('$' + n)}".encode() for n in names]
    if source.lower().endswith(".ocioz"):
        pieces.append(Path(source).read_bytes())
    for name in sorted(set(_files(config))):
        try:
            pieces += [name.encode(), Path(context.resolveFileLocation(name)).read_bytes()]
        except (*_FAILURES, OSError):
            # not there, or inside an archive: a space that needs it fails when it is used
            pieces += [name.encode(), b""]
    for piece in pieces:
        out.update(len(piece).to_bytes(8, "little"))
        out.update(piece)
    return out.hexdigest()


def _files(config: ocio.Config) -> Iterator[str]:
    """Every LUT file that a transform of the config names."""
    spaces = config.getColorSpaces(ocio.SEARCH_REFERENCE_SPACE_ALL, ocio.COLORSPACE_ALL)
    directions = (ocio.COLORSPACE_DIR_TO_REFERENCE, ocio.COLORSPACE_DIR_FROM_REFERENCE)
    viewing = (ocio.VIEWTRANSFORM_DIR_TO_REFERENCE, ocio.VIEWTRANSFORM_DIR_FROM_REFERENCE)
    forwards = (ocio.TRANSFORM_DIR_FORWARD, ocio.TRANSFORM_DIR_INVERSE)
    found = [space.getTransform(way) for space in spaces for way in directions]
    found += [view.getTransform(way) for view in config.getViewTransforms() for way in viewing]
    found += [named.getTransform(way) for named in config.getNamedTransforms() for way in forwards]
    for look in config.getLooks():
        found += [look.getTransform(), look.getInverseTransform()]
    while found:
        transform = found.pop()
        if isinstance(transform, ocio.GroupTransform):
            found += list(transform)
        elif isinstance(transform, ocio.FileTransform):
            yield transform.getSrc()
