"""What the laws share: a clean state, and a way to hold a mask in place."""

from collections.abc import Iterator

import keras
import pytest


@pytest.fixture(autouse=True)
def clean_keras_state() -> Iterator[None]:
    """Names, policies and graphs of one law are not the next one's."""
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(11)
    yield
    keras.config.set_dtype_policy(policy)
    keras.utils.clear_session(free_memory=False)
