"""tgenn diff: what is reported of networks that differ, against formulas of NumPy; its text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from golden import GENERATED, golden_networks
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import pooled, recurrent, residual, small_cnn, with_population, with_several

from tgenn_gen import Network, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.diff.array_summary import BLOCK
from tgenn_gen.diff.network_diff import FieldChange, NetworkDiff, diff_networks, value_change
from tgenn_gen.document.canonical_text import document_data
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.model import Connection, Output, Population
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.tensors import Tensor


def residual_network() -> Network:
    return residual("residual", ConstantCurrentInput(), IntegrateAndFireNeuron())


def pooled_network() -> Network:
    return pooled("pooled", IntegrateAndFireNeuron(), "spike_count")


def renamed(network: Network, old: str, new: str) -> Network:
    """The network with another name for an input or population, wherever it is named."""

    def name(found: str) -> str:
        return new if found == old else found

    def population(p: Population) -> Population:
        inputs = tuple(replace(c, source=name(c.source)) for c in p.inputs)
        return replace(p, name=name(p.name), inputs=inputs)

    return replace(
        network,
        inputs=tuple(replace(i, name=name(i.name)) for i in network.inputs),
        populations=tuple(map(population, network.populations)),
        outputs=tuple(replace(o, population=name(o.population)) for o in network.outputs),
    )


def with_kernel(network: Network, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Network:
    """The network with another kernel in the last map of a population's last connection."""
    *others, last = network.population(name).inputs
    *maps, final = last.through
    kernel = Tensor(final.kernel.file, change(final.kernel.values.copy()))
    through = (*maps, replace(final, kernel=kernel))
    return with_population(network, name, inputs=(*others, replace(last, through=through)))


def only(diff: NetworkDiff, section: str, name: str) -> list[FieldChange]:
    """The changes of fields of one population, input or output, where there is nothing else."""
    found = getattr(diff, section).changed
    assert list(found) == [name]
    emptied = replace(diff, **{section: replace(getattr(diff, section), changed={})})
    assert not emptied
    return list(found[name])


@pytest.mark.parametrize("name", golden_networks())
def test_identical_networks_give_no_difference_one_line_and_exit_0(name, capsys):
    network = golden_networks()[name]
    assert not diff_networks(network, load(GENERATED / name))
    assert main(["diff", str(GENERATED / name), str(GENERATED / name / "network.yaml")]) == 0
    assert capsys.readouterr().out == "no differences\n"


def test_changed_fields_are_named_with_what_they_were_and_are():
    network = residual_network()
    stem = network.population("stem")
    after = with_population(network, "stem", neuron=replace(stem.neuron, threshold=1.25), max_value=6.0)
    assert only(diff_networks(network, after), "populations", "stem") == [
        FieldChange("neuron.threshold", 1.0, 1.25),
        FieldChange("max_value", None, 6.0),
    ]
    (image,) = network.inputs
    after = replace(network, inputs=(replace(image, uint8_divisor=255.0),))
    found = only(diff_networks(network, after), "inputs", "image")
    assert found == [FieldChange("uint8_divisor", 1.0, 255.0)]
    after = replace(network, outputs=(Output("classes", "membrane", 3),))
    assert only(diff_networks(network, after), "outputs", "classes") == [FieldChange("start", 0, 3)]


def test_changes_of_the_network_itself_are_reported():
    network = replace(residual_network(), provenance={"model": {"sha256": "a"}, "seed": 1})
    after = replace(
        network,
        name="other",
        simulation=replace(network.simulation, timesteps=9),
        provenance={"model": {"sha256": "b"}, "seed": True},
    )
    diff = diff_networks(network, after)
    assert set(map(str, diff.fields)) == set(
        map(
            str,
            [
                FieldChange("name", "residual", "other"),
                FieldChange("simulation.timesteps", 7, 9),
                FieldChange("provenance.model.sha256", "a", "b"),
                FieldChange("provenance.seed", 1, True),
            ],
        )
    )
    assert not replace(diff, fields=())


def test_a_renamed_population_is_the_same_to_all_that_read_it():
    network = residual_network()
    for name in ("stem", "sum", "classes"):
        diff = diff_networks(network, renamed(network, name, "new"))
        assert diff.populations.renamed == {name: "new"}
        assert not replace(diff, populations=replace(diff.populations, renamed={}))


def test_a_renamed_population_may_have_other_fields_and_file_names():
    network = residual_network()
    bias = network.population("branch").bias
    after = with_population(network, "branch", scale=2.0, bias=Tensor("weights/other.bias.npy", bias.values))
    diff = diff_networks(network, renamed(after, "branch", "new"))
    assert diff.populations.renamed == {"branch": "new"}
    assert list(diff.populations.changed) == ["new"]
    assert set(diff.populations.changed["new"]) == {
        FieldChange("scale", 1.0, 2.0),
        FieldChange("bias.file", "weights/branch.bias.npy", "weights/other.bias.npy"),
    }
    assert not diff.weights and not diff.populations.added and not diff.populations.removed


def test_inputs_and_populations_without_weights_are_renamed_where_all_else_is_the_same():
    network = pooled("pooled", IntegrateAndFireNeuron(), "spike_count")
    names = {"image": "picture", "stem": "first", "pool2x2": "small", "pool3x3": "large", "pool3x1": "thin"}
    after = network
    for old, new in names.items():
        after = renamed(after, old, new)
    diff = diff_networks(network, after)
    assert {**diff.inputs.renamed, **diff.populations.renamed} == names
    assert not diff.populations.changed and not diff.weights and not diff.outputs.changed
    neuron = replace(network.population("pool2x2").neuron, window=5)
    diff = diff_networks(
        network, renamed(with_population(network, "pool2x2", neuron=neuron), "pool2x2", "small")
    )
    assert diff.populations.renamed == {"pool2x2": "small"}
    assert list(diff.populations.changed) == ["small"] and not diff.populations.added


def with_names(network: Network, names: Mapping[str, str]) -> Network:
    """The network with new names, and the file names of weights that follow them."""
    passing = {name: f"x{number}" for number, name in enumerate(names)}  # two may change their names
    for step in (passing, {passing[old]: new for old, new in names.items()}):
        for old, new in step.items():
            network = renamed(network, old, new)

    return with_weight_names(with_tensors(network, lambda tensor: Tensor("", tensor.values)))


def retrained(network: Network) -> Network:
    """The network with other kernels and biases in the same files."""
    rng = np.random.default_rng(5)
    return with_tensors(network, lambda t: Tensor(t.file, rng.normal(size=t.values.shape)))


def with_tensors(network: Network, change: Callable[[Tensor], Tensor]) -> Network:
    """The network with other tensors in maps and biases."""

    def connection(c: Connection) -> Connection:
        maps = [replace(m, **{name: change(t) for name, t in m.tensors.items()}) for m in c.through]
        return replace(c, through=tuple(maps))

    def population(p: Population) -> Population:
        inputs = tuple(map(connection, p.inputs))
        return replace(p, inputs=inputs, bias=None if p.bias is None else change(p.bias))

    return replace(network, populations=tuple(map(population, network.populations)))


@st.composite
def names_of(draw, network: Network) -> dict[str, str]:
    """Other names for inputs and populations; some may be those that others had."""
    old = list(network.shapes)
    fresh = [f"dense_{number}" for number in range(len(old))]
    return dict(zip(old, draw(st.permutations([*old, *fresh])), strict=False))


@pytest.mark.parametrize("start", [residual_network(), small_cnn(), pooled_network()], ids=lambda n: n.name)
@given(st.data())
@tries(60)
def test_any_renaming_gives_only_renames(start, data):
    network = with_names(start, {})
    names = data.draw(names_of(network))
    diff = diff_networks(network, with_names(network, names))
    found = {**diff.inputs.renamed, **diff.populations.renamed}
    assert found == {old: new for old, new in names.items() if old != new}
    assert not replace(
        diff,
        inputs=replace(diff.inputs, renamed={}),
        populations=replace(diff.populations, renamed={}),
    )


@pytest.mark.parametrize("start", [residual_network(), small_cnn(), pooled_network()], ids=lambda n: n.name)
def test_layers_that_keras_numbered_on_are_renamed_where_they_were_trained_again(start):
    network = with_names(start, {})
    names = {name: f"{name}_7" for name in network.shapes}
    diff = diff_networks(network, with_names(retrained(network), names))
    assert {**diff.inputs.renamed, **diff.populations.renamed} == names
    assert not diff.populations.added and not diff.populations.removed and not diff.populations.changed
    assert {w.before_file for w in diff.weights} == {
        f for f in network.tensors if not f.endswith("scale.npy")
    }


def test_populations_of_one_kind_and_shape_are_matched_by_their_place():
    """Between parts that are known, in their order; one that is added is added."""
    network = with_names(small_cnn(), {})
    dense = network.population("dense")
    more = replace(dense, name="more", inputs=(Connection("dense", (dense.inputs[0].through[-1],)),))
    assert [p.name for p in network.populations] == ["conv1", "conv2", "dense", "classes"]
    longer = with_population(
        network, "classes", inputs=(replace(network.population("classes").inputs[0], source="more"),)
    )
    longer = replace(longer, populations=(*longer.populations[:3], more, longer.populations[3]))
    new = with_names(
        retrained(longer), {"conv2": "conv2_1", "dense": "dense_3", "more": "dense_4", "classes": "dense_5"}
    )
    diff = diff_networks(network, new)
    assert diff.populations.renamed == {"conv2": "conv2_1", "dense": "dense_3", "classes": "dense_5"}
    assert list(diff.populations.added) == ["dense_4"] and not diff.populations.removed


def test_a_population_of_another_shape_or_kind_is_another_one():
    network = residual_network()
    other = with_population(retrained(network), "branch", neuron=SignedIntegrateAndFireNeuron())
    diff = diff_networks(network, renamed(other, "branch", "new"))
    assert list(diff.populations.removed) == ["branch"] and list(diff.populations.added) == ["new"]


def test_the_text_and_the_json_say_renamings(tmp_path, capsys):
    network = with_names(small_cnn(), {})
    save(network, tmp_path / "a")
    save(with_names(retrained(network), {"dense": "dense_3"}), tmp_path / "b")
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["diff", *folders]) == 1
    assert "~ population dense -> dense_3: renamed" in capsys.readouterr().out.splitlines()
    main(["diff", "--json", *folders])
    assert json.loads(capsys.readouterr().out)["populations"]["renamed"] == {"dense": "dense_3"}


def test_a_field_that_a_document_leaves_out_has_its_default(tmp_path, capsys):
    network = residual("residual", PoissonInput(signed=True), IntegrateAndFireNeuron())
    (image,) = network.inputs
    save(network, tmp_path / "a")
    save(replace(network, inputs=(replace(image, encoding=PoissonInput()),)), tmp_path / "b")
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    main(["diff", *folders])
    main(["diff", *folders[::-1]])
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "encoding" in line] == [
        "encoding.signed: true -> false",
        "encoding.signed: false -> true",
    ]


def test_what_one_network_has_alone_is_added_or_removed():
    network = with_several()["two_currents"]
    fewer = replace(network, populations=network.populations[:-1], outputs=network.outputs[1:])
    diff = diff_networks(network, fewer)
    data = document_data(network)
    assert diff.populations.removed == {"classes": data["populations"][-1]}
    assert diff.outputs.removed == {"classes": data["outputs"][0]}
    assert not diff.populations.added and not diff.populations.changed and not diff.weights
    back = diff_networks(fewer, network)
    assert back.populations.added == diff.populations.removed and not back.populations.removed


def test_connections_are_matched_by_their_source():
    network = residual_network()
    stem, branch = network.population("sum").inputs
    after = with_population(network, "sum", inputs=(branch, stem))
    found = only(diff_networks(network, after), "populations", "sum")
    assert found == [FieldChange("inputs.order", ["stem", "branch"], ["branch", "stem"])]
    after = with_population(network, "sum", inputs=(stem, branch, Connection("stem")))
    found = only(diff_networks(network, after), "populations", "sum")
    assert found == [FieldChange("inputs[stem#2]", None, {"from": "stem", "through": []})]


def test_maps_of_a_chain_are_compared_field_by_field():
    network = residual_network()
    (image,) = network.population("stem").inputs
    (conv,) = image.through
    pad, crop = Pad((0, 1, 0), (1, 0, 0)), Crop((0, 1, 0), (1, 0, 0))
    after = with_population(
        network, "stem", inputs=(replace(image, through=(pad, replace(conv, strides=(1, 1)), crop)),)
    )
    place = "inputs[image].through"
    found = only(diff_networks(network, after), "populations", "stem")
    assert sorted(found, key=lambda c: c.field) == [
        FieldChange(f"{place}[conv2d].strides", [2, 1], [1, 1]),
        FieldChange(f"{place}[crop]", None, {"op": "crop", "before": [0, 1, 0], "after": [1, 0, 0]}),
        FieldChange(f"{place}[pad]", None, {"op": "pad", "before": [0, 1, 0], "after": [1, 0, 0]}),
    ]


def test_changed_weights_have_the_numbers_that_numpy_gives():
    rng = np.random.default_rng(1)
    network = residual_network()
    before = network.tensors["weights/branch.kernel.npy"].values
    noise = rng.normal(size=before.shape) * (rng.random(before.shape) < 0.3)
    diff = diff_networks(network, with_kernel(network, "branch", lambda kernel: kernel + noise))
    (weight,) = diff.weights
    assert not replace(diff, weights=())
    assert weight.places == ("branch.inputs[stem].through[conv2d].kernel",)
    assert weight.before_shape == weight.after_shape == before.shape
    a = before.astype(np.float64)
    b = (before + noise).astype(np.float32).astype(np.float64)
    values = weight.values
    assert values.changed == np.sum(a != b) and values.changed_share == np.mean(a != b)
    assert values.max_change == np.abs(b - a).max()
    assert values.max_index == tuple(np.argwhere(np.abs(b - a) == np.abs(b - a).max())[0])
    assert (values.before, values.after) == (a[values.max_index], b[values.max_index])
    assert values.mean_change == pytest.approx(np.abs(b - a).mean(), rel=1e-12)
    cosine = np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert values.cosine == pytest.approx(cosine, rel=1e-12)


def test_arrays_of_several_blocks_are_compared_as_a_whole():
    a = np.random.default_rng(2).integers(-8, 9, (3, BLOCK // 2 + 5)).astype("<f4")
    b = a.copy()
    b[0, 7], b[2, 11], b[2, 12] = a[0, 7] + 1, a[2, 11] + 4, a[2, 12] - 4
    found = value_change(a, b)
    assert found.changed == 3 and found.max_index == (2, 11)
    exact = a.astype(np.float64), b.astype(np.float64)
    assert found.mean_change == pytest.approx(np.abs(exact[1] - exact[0]).mean(), rel=1e-12)
    norms = np.linalg.norm(exact[0]) * np.linalg.norm(exact[1])
    assert found.cosine == pytest.approx(np.vdot(*exact) / norms, rel=1e-12)


def test_minus_zero_is_a_change_by_nothing_and_zeros_have_no_direction():
    found = value_change(np.zeros((2, 2), "<f4"), np.array([[0, -0.0], [0, 0]], "<f4"))
    assert (found.changed, found.changed_share, found.max_change) == (1, 0.25, 0.0)
    assert found.cosine is None
    assert value_change(np.float32([1, 0]), np.float32([-2, 0])).cosine == -1.0


def test_weights_of_another_shape_are_reported_without_numbers_and_numbers_in_place_of_weights_as_fields():
    network = residual_network()
    bias = Tensor("weights/branch.bias.npy", np.ones((3, 5, 3)))
    (weight,) = diff_networks(network, with_population(network, "branch", bias=bias)).weights
    assert (weight.before_shape, weight.after_shape, weight.values) == ((3,), (3, 5, 3), None)
    diff = diff_networks(network, with_population(network, "stem", scale=2.0))
    before = network.population("stem").scale.reference()
    assert only(diff, "populations", "stem") == [FieldChange("scale", before, 2.0)]


def test_weights_that_several_have_in_common_are_reported_once():
    network = small_cnn()
    twin = replace(network.population("dense"), name="twin")
    network = replace(network, populations=(*network.populations[:3], twin, network.populations[3]))
    after = network
    for name in ("dense", "twin"):
        after = with_kernel(after, name, lambda kernel: 2 * kernel)
    (weight,) = diff_networks(network, after).weights
    place = "inputs[conv2].through[dense].kernel"
    assert weight.places == (f"dense.{place}", f"twin.{place}")


# Edits of a population, of which hypothesis makes networks that have much in common.
EDITS: dict[str, Callable[[Network, str], Network]] = {
    "nothing": lambda network, name: network,
    "rename": lambda network, name: renamed(network, name, f"new_{name}"),
    "remove": lambda network, name: replace(
        network, populations=tuple(p for p in network.populations if p.name != name)
    ),
    "scale": lambda network, name: with_population(network, name, scale=3.0),
    "bias": lambda network, name: with_population(network, name, bias=Tensor("weights/b.npy", np.ones(3))),
    "turn": lambda network, name: with_population(
        network, name, inputs=network.population(name).inputs[::-1]
    ),
    "unlink": lambda network, name: with_population(
        network, name, inputs=network.population(name).inputs[1:]
    ),
    "simulation": lambda network, name: replace(network, simulation=replace(network.simulation, dt=2.0)),
    "last": lambda network, name: replace(
        network, populations=tuple(sorted(network.populations, key=lambda p: p.name == name))
    ),
}


@st.composite
def edited_networks(draw) -> tuple[Network, Network]:
    start = draw(st.sampled_from([residual_network(), pooled("p", IntegrateAndFireNeuron(), "spike_count")]))

    def edited() -> Network:
        network = start
        names = st.lists(st.sampled_from([p.name for p in start.populations]), unique=True, max_size=3)
        for name in draw(names):
            network = EDITS[draw(st.sampled_from(sorted(EDITS)))](network, name)
        return network

    return edited(), edited()


@given(edited_networks())
@tries(150)
def test_there_is_a_difference_exactly_where_documents_differ_and_it_is_the_same_both_ways(pair):
    a, b = pair
    assert not diff_networks(a, a) and not diff_networks(b, b)
    there, back = diff_networks(a, b), diff_networks(b, a)
    assert bool(there) == (document_data(a) != document_data(b))
    assert {(c.before, c.after) for c in there.fields if "order" not in c.field} == {
        (c.after, c.before) for c in back.fields if "order" not in c.field
    }
    for section in ("inputs", "populations", "outputs"):
        one, other = getattr(there, section), getattr(back, section)
        assert one.added.keys() == other.removed.keys() and one.removed.keys() == other.added.keys()
        assert one.renamed == {old: new for new, old in other.renamed.items()}
        assert {one.renamed.get(name, name) for name in other.changed} == one.changed.keys()
        assert sum(map(len, one.changed.values())) == sum(map(len, other.changed.values()))
    mirrored = {(w.before_file, w.after_file): w.values for w in back.weights}
    for weight in there.weights:
        values = mirrored.pop((weight.after_file, weight.before_file))
        if weight.values is not None:
            assert replace(values, before=values.after, after=values.before) == weight.values
    assert not mirrored


@pytest.fixture
def folders(tmp_path):
    """A network and another one, renamed and edited, in two folders."""
    before = replace(residual_network(), provenance={"notes": ["one"], "seed": 1})
    after = with_kernel(before, "classes", lambda kernel: kernel * (np.arange(5) != 2))
    after = with_population(
        after, "stem", neuron=IntegrateAndFireNeuron(1.5), bias=Tensor("weights/b.npy", np.ones(3))
    )
    after = with_population(after, "sum", inputs=after.population("sum").inputs[1:])
    after = renamed(after, "branch", "side")
    save(before, tmp_path / "a")
    save(replace(after, provenance={"notes": ["one", "x" * 60], "seed": "1"}), tmp_path / "b")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_the_text_says_all_and_has_no_colours_but_on_a_terminal(folders, capsys, monkeypatch):
    assert main(["diff", *folders]) == 1
    text = capsys.readouterr().out
    a, b = (load(f).tensors["weights/classes.kernel.npy"].values.astype(float) for f in folders)
    index = tuple(np.argwhere(np.abs(a - b) == np.abs(a - b).max())[0].tolist())
    cosine = np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert text.splitlines() == [
        "~ provenance.notes:",
        "       [one]",
        f"    -> [one, {'x' * 60}]",
        '~ provenance.seed: 1 -> "1"',
        "~ population branch -> side: renamed",
        "~ population stem",
        "    neuron.threshold: 1.0 -> 1.5",
        "    bias: added, weights/b.npy [3]",
        "~ population sum",
        "    inputs[stem]: removed, {from: stem, through: [{op: scale, factor: weights/sum.factor.npy [3]}]}",
        "~ weights/classes.kernel.npy [45, 5], classes.inputs[sum].through[dense].kernel",
        f"    changed: {np.sum(a != b)} of 225 elements ({100 * np.mean(a != b):.3g} %)",
        f"    largest change: {np.abs(a - b).max():g} at {list(index)}, {a[index]:g} -> {b[index]:g}",
        f"    mean |change|: {np.abs(a - b).mean():.6g}",
        f"    cosine similarity: {cosine:.8f}",
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["diff", *folders]) == 1
    assert capsys.readouterr().out == text
    monkeypatch.delenv("NO_COLOR")
    assert main(["diff", *folders]) == 1
    assert "\033[33m~ population stem\033[0m\n" in capsys.readouterr().out


def test_json_says_the_same(folders, capsys):
    assert main(["diff", "--json", *folders]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["different"] is True
    assert data["populations"]["renamed"] == {"branch": "side"}
    assert data["populations"]["changed"]["stem"][0]["after"] == 1.5
    assert data["weights"][0]["values"]["changed"] > 0
    assert main(["diff", "--json", folders[0], folders[0]]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data.pop("different") is False
    assert not any(data["populations"].values()) and not data["weights"] and not data["fields"]


def test_what_a_stranger_wrote_cannot_steer_the_terminal(tmp_path, capsys):
    network = residual_network()
    for name, note in (("a", "\x9b31m"), ("b", "\u202e\u2028+ population x")):
        save(replace(network, provenance={"note": note}), tmp_path / name)
    main(["diff", str(tmp_path / "a"), str(tmp_path / "b")])
    out = capsys.readouterr().out
    assert out == "~ provenance.note: \\x9b31m -> \\u202e\\u2028+ population x\n"


def test_all_that_is_wrong_with_both_documents_is_said_at_once(tmp_path, capsys):
    save(residual_network(), tmp_path / "a")
    (tmp_path / "a/weights/sum.kernel.npy").write_bytes(b"x")
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "nothing")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[T303]: weights/sum.kernel.npy" in captured.err and "nothing: error[T101]" in captured.err


def test_delays_are_compared_and_a_renamed_population_that_reads_itself_is_known():
    network = recurrent()
    changed = network.with_values({"stem.inputs.1.delay": 2, "classes.inputs.0.delay": 1})
    found = diff_networks(network, changed)
    assert found.populations.changed == {
        "stem": (FieldChange("inputs[stem].delay", 1, 2),),
        "classes": (FieldChange("inputs[hidden].delay", 0, 1),),
    }
    names = {"stem": "first", "hidden": "last"}
    renamed = replace(
        network,
        populations=tuple(
            replace(
                p,
                name=names.get(p.name, p.name),
                inputs=tuple(replace(c, source=names.get(c.source, c.source)) for c in p.inputs),
            )
            for p in network.populations
        ),
    )
    assert diff_networks(network, renamed).populations.renamed == names
    assert not diff_networks(network, renamed).populations.changed
