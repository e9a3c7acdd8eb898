"""Every test runs in an empty folder of its own."""

import importlib
import os

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_runtest_setup(item):
    """Tests of `peers` name the modules that they need; with FPO_PEERS set those must be there."""
    for mark in item.iter_markers("peers"):
        for module in mark.args:
            if os.environ.get("FPO_PEERS"):
                importlib.import_module(module)
            else:
                pytest.importorskip(module)
