"""What the OpenFX plugin says to a person, by the names that plugin/ofx has for it."""

SAYS = {
    "between": "this lies between two frames of the plate",
    "changed": "the plate is not as it was when it was tracked; press Track",
    "ended": "the engine ended",
    "frame": "the engine needs a frame of the plate that the host did not give; press Track",
    "input": "an input is not as it was when the plate was tracked; press Track",
    "layer": "Layer: name the one that the click is for",
    "needs": "put the Rotograph node that makes them right before it",
    "no plate": "there is no plate here; connect one",
    "one frame": "; not every frame of what is wired here is known: press Track",
    "other frame": "the picture comes from another frame, and what this node says of frames would "
    "not fit; only the plate is used",
    "outside": "the incoming alpha was not made by a Rotograph node as it is; it counts as an "
    "outside matte",
    "plate only": "the incoming alpha was not made by a Rotograph node as it is; only the plate is "
    "used",
    "policy": "ROTOGRAPH_LICENCE_POLICY is none of commercial, research, any",
    "prompts": "are not understood; undo the last edit",
    "proxy": "a proxy is never tracked: look at this frame at full resolution once, or press Track",
    "reach": "the engine cannot be reached; see rotograph doctor",
    "serve": "the engine is not there; start one with: rotograph serve",
    "start": "the engine cannot be started; is rotograph on the path, or named in "
    "ROTOGRAPH_ENGINE?",
    "unread": "the plate could not be read",
}
