"""The buttons of the Groups that work through files: prompts, Render, and the Read inside."""

import nuke

from rotograph_host import baking, chain, in_nuke, prompting
from rotograph_host.chain import HostError


def told(function):
    """Decorator: a button's failure is one line on the screen, and never a traceback."""

    def button(*given, **more):
        try:
            return function(*given, **more)
        except HostError as error:
            in_nuke.report(error)
            return None

    return button


@told
def add_box(group):
    """The viewer's box becomes a prompt on this frame."""
    x, y, right, top = group["box"].value()
    height = in_nuke.display_height(group)
    box = (x, height - top, right, height - y)
    _say(group, prompting.add_box(_text(group), nuke.frame(), group["layer"].value(), box))


@told
def add_point(group, positive):
    """The viewer's point becomes a prompt on this frame: on the layer, or beside it."""
    x, y = group["point"].value()
    point = (x, in_nuke.display_height(group) - y)
    text = prompting.add_point(_text(group), nuke.frame(), group["layer"].value(), point, positive)
    _say(group, text)


@told
def delete(group):
    """What was said about the layer on this frame goes."""
    _say(group, prompting.delete(_text(group), nuke.frame(), group["layer"].value()))


@told
def render(group):
    """Write the graph file and the mattes, and read them back inside the Group."""
    ready = chain.build(group, in_nuke.look)
    folder = group["folder"].evaluate() or in_nuke.folder()
    way = ("engine", "command")[int(group["way"].getValue())]
    baked = baking.bake(
        ready,
        folder,
        ocio=in_nuke.config(),
        progress=in_nuke.Progress(f"Rotograph: {group.name()}"),
        way=way,
    )
    if baked.written:
        group["mattes"].setValue(baked.pattern)
        in_nuke.fill_read(group.node("Mattes"), baked.pattern, baked.frames)
        group["ready"].setValue(True)
    if baked.errors:
        raise HostError("\n".join(baked.errors[:10]))
    return baked


@told
def live(group):
    """Show the plate again instead of the mattes of last time."""
    group["ready"].setValue(False)


@told
def create_read(group):
    """A Read of the finished mattes in the script, beside the Group."""
    pattern = group["mattes"].value()
    if not pattern:
        raise HostError(f"{group.name()}: nothing is rendered yet; press Render")
    inside = group.node("Mattes")
    frames = (int(inside["first"].value()), int(inside["last"].value()))
    with nuke.root():
        return in_nuke.create_read(pattern, frames, group, group.name())


def _text(group):
    return group["prompts"].value() or ""


def _say(group, text):
    group["prompts"].setValue(text)
    group["said"].setValue(prompting.summary(text) or "nothing yet")
