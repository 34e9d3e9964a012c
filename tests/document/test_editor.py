"""What an editor offers in a network.yaml, tried with yaml-language-server.

`npm install --prefix DIR yaml-language-server` installs it; set $YAML_LANGUAGE_SERVER to
DIR/node_modules/.bin/yaml-language-server, or put it on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from golden import GENERATED

from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.schema_check import schema

SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SERVER, reason="no yaml-language-server: npm install it, and set $YAML_LANGUAGE_SERVER"
    ),
]
TEXT = (GENERATED / "small_cnn" / DOCUMENT).read_text()
DEFINITIONS = schema()["$defs"]
NEURONS = DEFINITIONS["population"]["properties"]["neuron"]["properties"]["kind"]["enum"]
ENCODINGS = DEFINITIONS["input"]["properties"]["encoding"]["properties"]["kind"]["enum"]
OPS = DEFINITIONS["op"]["properties"]["op"]["enum"]


class Editor:
    """Speaks the Language Server Protocol to the server, about one document."""

    def __init__(self, folder: Path) -> None:
        self.uri = (folder / DOCUMENT).as_uri()
        self.count = 0
        self.server = subprocess.Popen(
            [str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
        )
        self.ask("initialize", processId=os.getpid(), rootUri=folder.as_uri(), capabilities={})
        self.tell("initialized")

    def send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.server.stdin
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.server.stdin.flush()

    def tell(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        """The server's answer; its own questions, about settings, are answered with nothing."""
        self.count += 1
        self.send({"id": self.count, "method": method, "params": params})
        while True:
            message = self.receive()
            if "method" in message and "id" in message:
                items = message.get("params", {}).get("items", [])
                self.send({"id": message["id"], "result": [None for _ in items]})
            elif message.get("id") == self.count:
                return message["result"]

    def receive(self) -> Any:
        assert self.server.stdout
        length = 0
        while line := self.server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.server.stdout.read(length))

    def at(self, method: str, text: str) -> Any:
        """The answer about the place of | in a text."""
        before, after = text.split("|")
        document = {"uri": self.uri, "languageId": "yaml", "version": self.count, "text": before + after}
        self.tell("textDocument/didOpen", textDocument=document)
        place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        answer = self.ask(f"textDocument/{method}", textDocument={"uri": self.uri}, position=place)
        self.tell("textDocument/didClose", textDocument={"uri": self.uri})
        return answer

    def completion(self, text: str) -> list[str]:
        """What is offered at | in a text, in alphabetical order."""
        return sorted(item["label"] for item in self.at("completion", text)["items"])

    def hover(self, text: str) -> str:
        return self.at("hover", text)["contents"]["value"]


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor") / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    editor = Editor(folder)
    yield editor
    editor.server.kill()
    editor.server.wait()


def changed(old: str, new: str) -> str:
    """small_cnn's document with a text replaced, where it stands first."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)


BLOCK = "      kind: integrate_and_fire\n      threshold: 1.0\n      reset: subtract\n      v_init: 0.5\n"


def neuron(fields: str) -> str:
    """The document with other fields of its first neuron."""
    return changed(BLOCK, fields)


def test_kinds_are_offered(editor):
    assert editor.completion(neuron("      kind: |\n")) == NEURONS
    assert editor.completion(changed("kind: constant_current", "kind: |")) == ENCODINGS
    assert editor.completion(changed("op: conv2d", "op: |")) == OPS


@pytest.mark.parametrize(
    "kind", ["few_spike", "integrate_and_fire", "leaky_integrate_and_fire", "signed_integrate_and_fire"]
)
def test_the_other_fields_of_a_kind_are_offered_and_those_of_no_other_kind(editor, kind):
    fields = sorted(DEFINITIONS[f"neuron_{kind}"]["properties"].keys() - {"kind"})
    assert editor.completion(neuron(f"      kind: {kind}\n      |\n")) == fields
    rest = [field for field in fields if field != "threshold"]
    assert editor.completion(neuron(f"      kind: {kind}\n      threshold: 1.0\n      |\n")) == rest


def test_the_fields_of_an_encoding_are_offered(editor):
    text = changed("      kind: constant_current\n", "      kind: poisson\n      |\n")
    assert editor.completion(text) == ["signed"]


def test_words_are_offered_in_blocks_and_in_braces(editor):
    assert editor.completion(neuron("      kind: integrate_and_fire\n      reset: |\n")) == [
        "subtract",
        "to_rest",
        "zero",
    ]
    readouts = ["first_spike", "membrane", "spike_count"]
    assert editor.completion(changed("readout: membrane", "readout: |")) == readouts
    pool = "{op: avg_pool2d, pool: [2, 2], strides: [2, 2], padding: same}"
    assert editor.completion(changed(pool, "{op: |}")) == OPS
    assert editor.completion(changed("padding: same", "padding: |")) == ["same", "valid"]


def test_no_name_is_offered_that_the_document_does_not_have(editor):
    assert editor.completion(changed("from: image", "from: |")) == []
    assert editor.completion(changed("population: classes", "population: |")) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("threshold: 1.0", "thre|shold: 1.0", "Unit: none; mV if capacitance is given."),
        ("v_init: 0.5", "v_i|nit: 0.5", "V at the start of each example"),
        ("scale: 2.0", "sc|ale: 2.0", "ANN activation = scale x net count"),
        ("dt: 1.0", "d|t: 1.0", "in ms"),
        ("from: image", "fr|om: image", "The source"),
    ],
)
def test_hovering_a_field_shows_its_name_and_what_it_is(editor, old, new, words):
    said = editor.hover(changed(old, new)).replace("\\", "")
    assert said.startswith(f"#### {old.split(':')[0]}\n") and words in said
