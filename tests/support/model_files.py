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
