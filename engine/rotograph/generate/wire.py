"""The JSON schema of the wire, from its messages: python -m rotograph.generate.wire > FILE"""

from __future__ import annotations

import json

from rotograph import wire

SCHEMA = "docs/wire.schema.json"


def wire_schema() -> str:
    """The schema as it is kept in the documentation."""
    return json.dumps(wire.schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(wire_schema(), end="")
