"""Rotograph's menu in Nuke."""

from rotograph_host import nuke_menu

nuke_menu.add()
