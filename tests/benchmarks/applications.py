"""What of keras.applications can be converted: the table of docs/reference/keras_applications.md.

    python tests/benchmarks/applications.py [NAME ...]

Each model is built with random weights, saved, and given to `tgenn check`. Images are small: what a layer
becomes does not depend on the size. Needs TensorFlow.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tgenn_gen.cli.main import main

# {model: the side of its square image}
MODELS = {
    "VGG16": 32,
    "VGG19": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "DenseNet121": 32,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "Xception": 71,
    "NASNetMobile": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "ConvNeXtTiny": 32,
}


def row(name: str, side: int) -> str:
    """A row of the table: what `tgenn check --json` says of a model."""
    import keras

    keras.utils.clear_session()
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
    count = len(model.layers)
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said):
        path = Path(folder) / f"{name}.keras"
        model.save(path)
        del model
        main(["check", "--json", str(path)])
    found = json.loads(said.getvalue())
    if found["valid"]:
        return f"| {name} | {side} | {count} | yes | {found['populations']} populations |"
    reasons = Counter(re.sub(r" '[^']*'|: \S+ reads it", "", p["message"]) for p in found["problems"])
    return f"| {name} | {side} | {count} | no | {'; '.join(f'{r} ({n})' for r, n in reasons.most_common())} |"


if __name__ == "__main__":
    print(
        "| model | image | layers | converts | populations, or what stands in the way (in how many layers) |"
    )
    print("|---|---|---|---|---|")
    for name in sys.argv[1:] or MODELS:
        start = time.perf_counter()
        print(row(name, MODELS[name]), flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
