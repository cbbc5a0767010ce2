"""The plugin's JSON reader takes what the engine takes, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

SOURCES = Path(__file__).resolve().parents[2] / "plugin" / "ofx"
PROGRAM = r"""
#include "json.h"
#include <stdio.h>
int main(void) {
    static char text[65536];
    unsigned size;
    while (fread(&size, 4, 1, stdin) == 1 && fread(text, 1, size, stdin) == size) {
        JsonTree *tree = json_parse(text, size);
        const Json *root = json_root(tree);
        if (!tree) puts("refused");
        else if (root->kind == JSON_STRING) {
            putchar('"');
            for (const char *at = root->string; *at; at++) printf("%02x", (unsigned char)*at);
            putchar('\n');
        } else if (root->kind == JSON_NUMBER) printf("%.17g\n", root->number);
        else puts("taken");
        json_free(tree);
    }
    return 0;
}
"""
NUMBERS = (
    b"0 -0 1 -1 0.5 -0.5 10 1e3 1E-3 1.25e+2 123456789 1. .5 -.5 +1 01 -01 00 1e 1e+ - + . 1.e5 "
    b".e5 1.5.5 1-1 0x10 inf nan NaN Infinity -Infinity 1_0"
).split()
STRINGS = [
    b'"plain"',
    '"é 漢 🎬"'.encode(),
    rb'"\u00e9 \u6f22 \ud83c\udfac \"\\\/\b\f\n\r\t"',
    b'"\xff"',
    b'"\xc3"',
    b'"\xc3("',
    b'"\xc0\xaf"',
    b'"\xe0\x80\xaf"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"a\xe9b"',
    rb'"\ud83c"',
    rb'"\udfac"',
    rb'"\ud83cx"',
    rb'"\ud83c\u0041"',
    rb'"\u12"',
    rb'"\x41"',
    b'"tab\there"',
    b'"open',
    rb'"open\"',
]
OTHERS = [
    b"{}", b"[]", b"[1, 2]", b'{"a": [true, false, null]}', b" [ ] \n", b"", b" ", b"[1,]", b"[,1]",
    b'{"a"}', b'{"a":}', b"{a: 1}", b'{"a": 1,}', b"[1 2]", b"tru", b"truefalse", b"[] []", b"'a'",
    b"\xef\xbb\xbf[]", b"// c\n[]", b'{"\xff": 1}',
]  # fmt: skip


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    """What the plugin's reader makes of each text: "refused", "taken", or the value."""
    folder = tmp_path_factory.mktemp("json")
    (folder / "try.c").write_text(PROGRAM)
    compiler = [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-O1"]
    command = [*compiler, f"-I{SOURCES}", "try.c", str(SOURCES / "json.c"), "-lm", "-o", "try"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    texts = [*NUMBERS, *STRINGS, *OTHERS]
    given = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    done = subprocess.run([folder / "try"], input=given, check=True, capture_output=True)
    return dict(zip(texts, done.stdout.decode().splitlines(), strict=True))


@pytest.mark.parametrize("text", [*NUMBERS, *STRINGS, *OTHERS])
def test_what_the_engine_refuses_the_plugin_refuses_too(parsed, text):
    try:
        value = msgspec.json.decode(text)
        json.loads(text.decode())
    except ValueError:
        assert parsed[text] == "refused"
        return
    match value:
        case str():
            assert bytes.fromhex(parsed[text][1:]).decode() == value
        case int() | float():
            assert float(parsed[text]) == value
        case _:
            assert parsed[text] == "taken"
