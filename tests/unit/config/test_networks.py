"""Which addresses are in denied networks, however they are written."""

import pytest

from config.networks import NONE_DENIED, Denied
from config.settings.settings import Settings, SettingsError

DENIED = Denied.parse("169.254.0.0/16, 127.0.0.0/8,::1/128,fd00::/8")


@pytest.mark.parametrize(
    ("address", "is_denied"),
    [
        ("169.254.169.254", True),
        ("127.0.0.2", True),
        ("0.0.0.0", True),
        ("::", True),
        ("::1", True),
        ("::ffff:169.254.169.254", True),
        ("::ffff:0.0.0.0", True),
        ("fd12::1%eth0", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_an_address_is_denied_in_all_its_forms(address: str, is_denied: bool) -> None:
    """This host has more names than 127.0.0.1."""
    assert DENIED.denies(address) is is_denied
    assert not NONE_DENIED.denies(address)


@pytest.mark.parametrize("text", ["169.254.0.0/33", "10.0.0.1/8", "internal", "10.0.0.0-10.1.0.0"])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    """With what is allowed; half a list would protect from nothing."""
    assert Settings().canaries.denied == NONE_DENIED
    with pytest.raises(SettingsError, match="allowed: networks by comma, such as"):
        Settings.from_environ({"COALMINE_DENIED_NETWORKS": f"::1/128,{text}"})
