from __future__ import annotations

import pytest

from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify.outgoing import Limits, ask, is_public
from tests.sms_gateway import SmsGateway


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "ff02::1",
        "2002:7f00:1::", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_an_address_of_this_host_or_its_networks_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_one_of_the_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1"])
def test_nothing_is_sent_to_this_host_however_it_is_written(host: str) -> None:
    double = SmsGateway()
    url = f"http://{host}:{double.address.partition(':')[2]}/"
    with double as gateway, pytest.raises(DeliveryError) as refused:
        ask("GET", url, {}, None, Limits(5, allow_private=False))

    assert refused.value.reason == DeliveryReason.GATEWAY
    assert "allow_private" in refused.value.detail
    assert gateway.asked == []


def test_a_redirect_is_not_followed() -> None:
    with SmsGateway() as elsewhere, SmsGateway(307, "") as gateway:
        gateway.headers = {"Location": f"http://{elsewhere.address}/"}
        answer = ask("POST", f"http://{gateway.address}/", {}, b"x", Limits(5, allow_private=True))

    assert answer.status == 307
    assert elsewhere.asked == []


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmsGateway() as proxy, SmsGateway() as gateway:
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        ask("GET", f"http://{gateway.address}/a?b=c", {}, None, Limits(5, allow_private=True))

    assert proxy.asked == []
    assert gateway.asked[0].headers["host"] == gateway.address


def test_a_name_that_does_not_exist_is_the_gateways_trouble() -> None:
    with pytest.raises(DeliveryError) as refused:
        ask("GET", "https://gateway.invalid/", {}, None, Limits(5, allow_private=False))

    assert refused.value.reason == DeliveryReason.GATEWAY
    assert "gateway.invalid" in refused.value.detail
