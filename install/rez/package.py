# ruff: noqa: F821
"""Rotograph's nodes as a rez package. In this folder, with the engine's program named:

    ROTOGRAPH_ENGINE=/where/it/is/bin/rotograph rez build --install

The engine is a program of its own, with a Python of its own, and no part of the package.
"""

name = "rotograph"
version = "0.1.0"
description = "Machine-learned rotoscoping inside Nuke and Natron"
build_command = (
    '"${{ROTOGRAPH_ENGINE:-rotograph}}" install nuke --studio {install_path} && '
    '"${{ROTOGRAPH_ENGINE:-rotograph}}" install natron --studio {install_path}'
)


def commands():
    env.NUKE_PATH.append("{root}/nuke")
    env.OFX_PLUGIN_PATH.append("{root}/ofx")
    # Natron separates this one by ';' on every platform, which rez does not know
    if defined("NATRON_PLUGIN_PATH"):
        env.NATRON_PLUGIN_PATH = "{root}/natron;" + str(env.NATRON_PLUGIN_PATH)
    else:
        env.NATRON_PLUGIN_PATH = "{root}/natron"
