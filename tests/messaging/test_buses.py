"""A bus by its URL: chosen by the scheme, refused in one line that keeps secrets."""

import importlib.util
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab_support.messaging import BusUrlError, EmbeddedBus, open_bus
from lab_support.messaging.nats_bus import NatsBus
from lab_support.messaging.rabbit_bus import RabbitBus
from lab_support.settings import Settings


@pytest.mark.parametrize(
    ("url", "kind"),
    [(None, EmbeddedBus), ("amqp://guest:sesame@host", RabbitBus), ("nats://host:4222", NatsBus)],
    ids=["none", "amqp", "nats"],
)
def test_scheme_chooses_the_bus(tmp_path: Path, url: str | None, kind: type) -> None:
    """Without a URL it is embedded, and nothing connects yet."""
    assert type(open_bus(url, tmp_path)) is kind


@pytest.mark.parametrize("url", ["kafka://me:sesame@host", "amqp:sesame", "", "me:sesame@host"], ids=str)
def test_other_url_is_refused_without_its_secret(tmp_path: Path, url: str) -> None:
    """The text names what can be written, and no password."""
    with pytest.raises(BusUrlError, match="amqp://user:password@host:5672, nats://host:4222") as caught:
        open_bus(url, tmp_path)
    assert "sesame" not in str(caught.value)


def test_missing_client_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FastStream a broker's URL says what to install, in one line."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BusUrlError, match=r'pip install -c constraints\.txt -e "\.\[brokers\]"') as caught:
        open_bus("nats://me:sesame@host", tmp_path)
    assert "sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("namespace", ["", "a.b", "lab-dead", "schön", "x" * 41, "a b", "lab\n"])
def test_namespace_that_is_no_word_is_refused_with_its_variable(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dot or hyphen could make one shop's names another's."""
    monkeypatch.setenv("LAB_BUS_NAMESPACE", namespace)
    with pytest.raises(ValidationError, match="bus_namespace"):
        Settings()
