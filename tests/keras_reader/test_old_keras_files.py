"""Model files as old versions of Keras wrote them: tests/support/old_keras_files.py made them."""

from __future__ import annotations

import pathlib
import sys
import zipfile

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen.errors import MissingEngineError  # noqa: E402
from tgenn_gen.keras_reader.loading import load_model, predict  # noqa: E402

pytestmark = pytest.mark.keras
FILES = pathlib.Path(__file__).with_name("old_keras_files.zip")
NAMES = ["2.0.0", "2.3.0", "2.12.1.keras", "2.13.1.keras", "2.14.1.keras"]


@pytest.fixture
def unpacked(tmp_path):
    """The folder of an old file and of its .npz."""

    def unpack(name: str) -> pathlib.Path:
        pytest.importorskip("tf_keras", reason="tf_keras is not installed")
        with zipfile.ZipFile(FILES) as archive:
            members = [m for m in archive.namelist() if m.startswith((name, name.removesuffix(".keras")))]
            archive.extractall(tmp_path, members)
        return tmp_path / name

    return unpack


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_an_old_keras_computes_what_it_did_there(unpacked, name):
    """Layers have weights of equal shapes, in a nested model too, and a regularizer of the user's own."""
    path = unpacked(name)
    with np.load(path.with_name(f"{name.removesuffix('.keras')}.npz")) as data:
        (found,) = predict(load_model(path), [data["x"]])
        np.testing.assert_allclose(found, data["y"], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_without_tf_keras_every_file_of_keras_2_says_what_to_install(unpacked, name, monkeypatch):
    """Keras 3 cannot read them, and says something else."""
    path = unpacked(name)
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(MissingEngineError, match=r"needs tf_keras .*pip install 'tgenn-gen\[savedmodel\]'"):
        load_model(path)
