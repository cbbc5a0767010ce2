"""Read by Natron, not by Python: a Read, the five nodes wired behind it, and a Write."""

import os


def createInstance(app, group):
    folder = os.environ["ROTOGRAPH_TEST_FOLDER"]
    read = app.createNode("fr.inria.openfx.ReadEXR")
    read.getParam("filename").set(folder + "/plate.####.exr")
    for name, frame in (("firstFrame", 1001), ("lastFrame", 1005), ("startingTime", 1001)):
        read.getParam(name).set(frame)
    read.getParam("originalFrameRange").set(1001, 1005)
    before = read
    for name in ("Detect", "Segment", "Track", "Matte", "Refine"):
        node = app.createNode("org.rotograph." + name)
        node.connectInput(0, before)
        if name == "Segment":
            node.getParam("prompts").set(os.environ["ROTOGRAPH_TEST_PROMPTS"])
        if name == "Refine":
            node.getParam("feather").set(4.0)
        before = node
    write = app.createNode("fr.inria.openfx.WriteEXR")
    write.setScriptName("Out")
    write.getParam("filename").set(folder + "/natron.####.exr")
    write.getParam("outputComponents").set("RGBA")
    write.getParam("dataType").set("32f")
    write.connectInput(0, before)
