"""Files of Keras models, changed as somebody could who means harm."""

from __future__ import annotations

import json
import zipfile


def chain(*stack, shape=(6, 5, 2)):
    """A Sequential model of Keras 3."""
    import keras

    return keras.Sequential([keras.Input(shape, name="image"), *stack], name="m")


def rewrite(path, change):
    """Write a .keras file again with what `change` makes of {entry: content}."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def change_text(path, change):
    """Replace the text of a configuration, of any kind of model file, by what `change` makes of it."""
    if path.is_dir():
        from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

        metadata = SavedMetadata.FromString((path / "keras_metadata.pb").read_bytes())
        root = next(node for node in metadata.nodes if node.node_path == "root")
        root.metadata = change(root.metadata)
        (path / "keras_metadata.pb").write_bytes(metadata.SerializeToString())
    elif path.suffix == ".keras":
        rewrite(
            path, lambda content: content.update({"config.json": change(content["config.json"].decode())})
        )
    else:
        import h5py

        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = change(file.attrs["model_config"])


def change_config(path, change):
    """Have `change` change the configuration, {"class_name": ..., "config": ...}, of a model file."""

    def changed(text: str) -> str:
        config = json.loads(text)
        change(config)
        return json.dumps(config)

    change_text(path, changed)


def field(number: int, content: bytes) -> bytes:
    """A field of a message of Protocol Buffers."""
    return _number(8 * number + 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    low, high = value % 128, value // 128
    return bytes([low + 128]) + _number(high) if high else bytes([low])


def as_of_tensorflow_2_4(folder, text: bytes | None = None):
    """Move a SavedModel's description, or another text, to where it was before TensorFlow 2.5."""
    from tgenn_gen.keras_reader.saved_model import description

    text = description(folder) if text is None else text
    (folder / "keras_metadata.pb").unlink(missing_ok=True)
    model = field(4, field(1, b"_tf_keras_sequential") + field(3, text))  # a user object
    objects = field(1, model) + field(1, b"")
    (folder / "saved_model.pb").write_bytes(b"\x08\x01" + field(2, field(2, b"program") + field(7, objects)))
