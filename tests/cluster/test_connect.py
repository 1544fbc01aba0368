"""The files of a private cluster."""

import pytest

from musegen.cluster import connect


def test_what_a_private_cluster_wrote_is_gone_afterwards_even_after_an_error() -> None:
    with pytest.raises(KeyError), connect._new_folder() as folder:
        (folder / "ray").mkdir()
        raise KeyError
    assert not folder.exists()
