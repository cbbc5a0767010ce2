"""Shapes for After Effects: a script (.jsx) that makes a solid with masks for each layer."""

from __future__ import annotations

import json

import numpy as np

from rotograph.deliver.nuke import visibility
from rotograph.deliver.spline import Spline, SplineLayer, SplineShot

_SCRIPT = """\
// Shapes written by Rotograph. File > Scripts > Run Script File, with the shot's comp open.
// Each layer becomes a white solid with masks; the comp begins on frame FIRST.
(function () {
  var FIRST = @FIRST@, WIDTH = @WIDTH@, HEIGHT = @HEIGHT@, ASPECT = @ASPECT@;
  var LAYERS = @LAYERS@;

  function linear(property) {
    for (var i = 1; i <= property.numKeys; i++) {
      property.setInterpolationTypeAtKey(
        i, KeyframeInterpolationType.LINEAR, KeyframeInterpolationType.LINEAR);
    }
  }

  function build(comp) {
    function at(frame) { return (frame - FIRST) / comp.frameRate; }
    for (var i = LAYERS.length - 1; i >= 0; i--) {
      var layer = comp.layers.addSolid(
        [1, 1, 1], LAYERS[i].name, WIDTH, HEIGHT, ASPECT, comp.duration);
      for (var j = 0; j < LAYERS[i].shapes.length; j++) {
        var given = LAYERS[i].shapes[j];
        var mask = layer.property("ADBE Mask Parade").addProperty("ADBE Mask Atom");
        mask.name = given.name;
        mask.maskMode = given.subtract ? MaskMode.SUBTRACT : MaskMode.ADD;
        var path = mask.property("ADBE Mask Shape");
        var feather = mask.property("ADBE Mask Feather");
        for (var k = 0; k < given.keys.length; k++) {
          var key = given.keys[k], shape = new Shape();
          shape.vertices = key.vertices;
          shape.inTangents = key.before;
          shape.outTangents = key.after;
          shape.closed = true;
          path.setValueAtTime(at(key.frame), shape);
          feather.setValueAtTime(at(key.frame), [key.feather, key.feather]);
        }
        linear(path);
        linear(feather);
        var opacity = mask.property("ADBE Mask Opacity");
        for (var v = 0; v < given.visible.length; v++) {
          opacity.setValueAtTime(at(given.visible[v][0]), given.visible[v][1] * 100);
        }
      }
    }
  }

  var comp = app.project ? app.project.activeItem : null;
  if (!(comp && comp instanceof CompItem)) {
    alert("Open the shot's comp first.");
    return;
  }
  app.beginUndoGroup("Rotograph shapes");
  build(comp);
  app.endUndoGroup();
})();
"""


def script(shot: SplineShot) -> str:
    """ExtendScript for After Effects: plain ASCII, for it reads other text by the machine's.

    A mask moves straight between its keyframes, so curved motion has more of them here.
    """
    layers = [_layer(shot, layer) for layer in shot.layers]
    said = {
        "FIRST": shot.frames[0],
        "WIDTH": shot.size[0],
        "HEIGHT": shot.size[1],
        "ASPECT": shot.pixel_aspect,
        "LAYERS": layers,
    }
    text = _SCRIPT
    for name, value in said.items():
        text = text.replace(f"@{name}@", json.dumps(value))
    return text


def _layer(shot: SplineShot, layer: SplineLayer) -> dict[str, object]:
    ordered = sorted(layer.shapes, key=lambda s: s.subtract)  # masks work in their order
    return {"name": layer.name[:80], "shapes": [_shape(shot, shape) for shape in ordered]}


def _shape(shot: SplineShot, shape: Spline) -> dict[str, object]:
    return {
        "name": shape.name[:80],
        "subtract": shape.subtract,
        "visible": list(visibility(shot, shape)),
        "keys": [
            {
                "frame": key.frame,
                "feather": round(float(key.feather), 3),
                "vertices": _rounded(key.points[:, 1]),
                "before": _rounded(key.points[:, 0] - key.points[:, 1]),
                "after": _rounded(key.points[:, 2] - key.points[:, 1]),
            }
            for key in shape.straight().keys
        ],
    }


def _rounded(points: np.ndarray) -> list[list[float]]:
    return np.round(points, 3).tolist()
