"""A network with recurrent connections has no ANN to compare with."""

from __future__ import annotations

import pytest
from sample_networks import examples_for, recurrent

from tgenn_gen import TgennError, verify


def test_verify_refuses_a_network_with_recurrent_connections():
    network = recurrent()
    with pytest.raises(
        TgennError, match="'recurrent' has recurrent connections: an ANN has no time steps"
    ) as refused:
        verify(network, examples_for(network, 3))
    assert refused.value.diagnostics[0].code == "T503"
