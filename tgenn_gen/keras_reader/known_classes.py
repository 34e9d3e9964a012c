"""The classes that a model file may name: files that name others are refused before Keras loads them.

Keras would look up and call any name in a file: any function of TensorFlow, any class of a module.
"""

from __future__ import annotations

from typing import Any

from tgenn_gen.keras_reader.operations import COMPUTES
from tgenn_gen.keras_reader.supported_layers import LAYERS

NESTED = frozenset({"Functional", "Model", "Sequential"})

ACTIVATION_FUNCTIONS = frozenset(
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign "
    "sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold".split()
)
# Classes of the attributes of layers; those that only training needs are left out before.
PARTS = frozenset(
    # dtypes
    "DTypePolicy DTypePolicyMap FloatDTypePolicy Policy QuantizedDTypePolicy QuantizedFloat8DTypePolicy "
    # plain values
    "SeedGenerator TensorShape __bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__ "
    "__tuple__".split()
)
# Layers of Keras 3 that are not converted, but are safe to build, so that all problems of a model can be
# reported together. Layers that read files or carry code are not among them.
HARMLESS = frozenset(
    "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D "
    "AdaptiveMaxPooling2D AdaptiveMaxPooling3D AdditiveAttention Attention AveragePooling3D Bidirectional "
    "CategoryEncoding Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping3D "
    "Discretization Dot ELU EinsumDense Embedding GRU GRUCell GlobalAveragePooling3D GlobalMaxPooling3D "
    "GroupNormalization GroupQueryAttention LSTM LSTMCell LayerNormalization Masking MaxPooling3D "
    "Maximum MelSpectrogram Minimum MultiHeadAttention Multiply RMSNormalization RNN "
    "RepeatVector "
    "ReversibleEmbedding STFTSpectrogram SimpleRNN SimpleRNNCell SpatialDropout3D SpectralNormalization "
    "StackedRNNCells TimeDistributed UnitNormalization UpSampling3D ZeroPadding3D".split()
)


def is_converted(part: dict[str, Any]) -> bool:
    """Whether a part of a configuration is a supported layer, an operation that one does, or a model."""
    class_name = part["class_name"]
    if not isinstance(class_name, str):
        return False
    if class_name == "TFOpLambda":
        return function_of(part) in COMPUTES
    return class_name in NESTED or class_name in LAYERS or (_is_operation(part) and class_name in COMPUTES)


def is_part(part: dict[str, Any]) -> bool:
    """Whether a part of a configuration belongs to an attribute of a layer."""
    class_name = part["class_name"]
    if class_name == "function":
        return isinstance(part.get("config"), str) and part["config"] in ACTIVATION_FUNCTIONS
    return isinstance(class_name, str) and class_name in PARTS


def may_be_built(part: dict[str, Any], keras_2: bool) -> bool:
    """Whether Keras may build a part of a configuration, by its class and its module."""
    if not _is_own(part, keras_2):
        return False
    if is_converted(part) or is_part(part):
        return True
    return not keras_2 and (part["class_name"] in HARMLESS or _is_operation(part))


def function_of(part: dict[str, Any]) -> str:
    """The function of TensorFlow that a layer of Keras 2 calls; "" if it names none."""
    config = part.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    return function if isinstance(function, str) else ""


def _is_own(part: dict[str, Any], keras_2: bool) -> bool:
    """Whether the module and the registered name, if given, are those of Keras itself."""
    own = ("keras", "tf_keras", "builtins") if keras_2 else ("keras", "builtins")
    module, class_name = part.get("module"), part["class_name"]
    names = (None, "", class_name, part.get("config") if class_name == "function" else class_name)
    is_text = isinstance(class_name, str) and isinstance(module, str | None)
    return (
        is_text and (module is None or module.split(".")[0] in own) and part.get("registered_name") in names
    )


def _is_operation(part: dict[str, Any]) -> bool:
    """Whether it is one of Keras 3's operations, such as x * y."""
    return str(part.get("module")).startswith("keras.src.ops.") and part["class_name"].isidentifier()
