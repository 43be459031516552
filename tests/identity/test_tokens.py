"""Tokens that somebody else signs: good ones are believed, every other one is refused."""

from __future__ import annotations

import hashlib
import hmac
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.clock import ManualClock
from core.errors import (
    AuthenticationError,
    AuthorizationError,
    DependencyDownError,
    ValidationError,
)
from identity.token_keys import AGAIN_SECONDS, FRESH_SECONDS, TokenKeys, usable_keys
from identity.tokens import (
    LEEWAY_SECONDS,
    TOKEN_CHARACTERS_MAX,
    TokenIssuer,
    TokenPrincipal,
    TokenVerifier,
    looks_like_token,
)
from tests.identity.signer import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    KEY_SET,
    NOW,
    RSA,
    SMALL,
    STRANGER,
    by_hand,
    claims,
    public,
    token,
)

SECONDS = int(NOW.timestamp())
TRUSTED = TokenIssuer(ISSUER, AUDIENCE, "https://login.example/keys.json")
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Signer:
    """Publishes keys, unless it is down."""

    def __init__(self) -> None:
        self.asked, self.down, self.now = 0, False, 0.0
        self.document: dict[str, Any] = dict(KEY_SET)

    def keys(self) -> TokenKeys:
        return TokenKeys(lambda: self.fetch(), lambda: self.now)  # noqa: PLW0108 - may be replaced

    def fetch(self) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise DependencyDownError("the token keys: down")
        return self.document


def verifier(signer: Signer | None = None, clock: ManualClock | None = None) -> TokenVerifier:
    return TokenVerifier(TRUSTED, (signer or Signer()).keys(), clock or ManualClock(NOW))


@pytest.mark.req("SEC-04", "SEC-05")
@pytest.mark.parametrize(
    ("key", "kid", "alg"), [(RSA, "rsa", "RS256"), (EC, "ec", "ES256"), (ED, "ed", "EdDSA")]
)
def test_a_token_says_who_it_stands_for(key: Any, kid: str, alg: str) -> None:
    text = token(key, kid, alg)
    assert looks_like_token(text)
    assert not looks_like_token("tb_live_1a2b3c4d_secret")
    assert verifier().principal_of(text, "meters:read") == TokenPrincipal(
        "acme", "ada", frozenset({"meters:read", "changes:read"}), None
    )


def test_a_users_own_token_carries_the_user() -> None:
    user = UUID(int=7)
    found = verifier().principal_of(token(sub=str(user), scope="self"), "self")
    assert found.user_id == user
    with pytest.raises(AuthenticationError, match="its sub is no UUID"):
        verifier().principal_of(token(scope="self"), "self")


def _signed_with_the_public_key() -> str:
    """The oldest trick: the public key as the secret of a shared one."""
    head = by_hand({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims()).rpartition(".")[0]
    signature = hmac.new(PEM, head.encode(), hashlib.sha256).digest()
    return head + "." + by_hand({}, {}, signature).rpartition(".")[2]


def _swapped() -> str:
    """The signature of one token under the claims of another."""
    head, _, signature = token().split(".")
    return ".".join((head, token(tenant="zeta").split(".")[1], signature))


FORGED = {
    "no algorithm": by_hand({"alg": "none", "kid": "rsa"}, claims()),
    "no algorithm, in capitals": by_hand({"alg": "NONE", "kid": "rsa"}, claims()),
    "signed with the public key": _signed_with_the_public_key(),
    "signed with a shared key": token("secret" * 9, "shared", "HS256"),
    "another algorithm of the same key": token(RSA, "rsa", "RS512"),
    "a key of another kind": token(EC, "rsa", "ES256"),
    "a stranger's key under a known name": token(STRANGER),
    "a key that is for encryption": token(STRANGER, "encryption"),
    "a key too small": token(SMALL, "small"),
    "a name that climbs": token(RSA, "../../etc/passwd"),
    "a name that is no text": by_hand({"alg": "RS256", "kid": 7}, claims()),
    "no name": by_hand({"alg": "RS256"}, claims()),
    "claims of another": _swapped(),
    "no signature": token().rpartition(".")[0] + ".",
    "half a signature": token()[:-20],
    "another issuer": token(iss="https://evil.example"),
    "an issuer that begins alike": token(iss=f"{ISSUER}.evil.example"),
    "another audience": token(aud="other"),
    "no audience": token(aud=None),
    "no expiry": token(exp=None),
    "an expiry that is a truth": token(exp=True),
    "an expiry that never comes": token(exp=float("inf")),
    "an expiry that is no number": token(exp=float("nan")),
    "an expiry in letters": token(exp="tomorrow"),
    "an expiry of 400 digits": token(exp=10**400),
    "issued 400 digits ago": token(iat=-(10**400)),
    "a subject that no database takes": token(sub="a\x00"),
    "a tenant with half a pair": token(tenant="\ud800"),
    "a line break in the tenant": token(tenant="acme\n"),
    "expired": token(exp=SECONDS - LEEWAY_SECONDS),
    "not valid yet": token(nbf=SECONDS + LEEWAY_SECONDS + 1),
    "issued in the future": token(iat=SECONDS + LEEWAY_SECONDS + 1),
    "no subject": token(sub=None),
    "no tenant": token(tenant=None),
    "an empty tenant": token(tenant=""),
    "a tenant that is no text": token(tenant=["acme"]),
    "scopes in a list": token(scope=["meters:read"]),
    "a tenant of a book's length": token(tenant="a" * 257),
    "too long": token(more="x" * TOKEN_CHARACTERS_MAX),
    "no token": "a.b.c",
    "dots": "..",
    "other letters": "ä.ö.ü",
    "critical extensions": by_hand({"alg": "RS256", "kid": "rsa", "crit": ["b64"]}, claims()),
}


@pytest.mark.req("SEC-04", "SEC-05")
@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_every_other_token_is_refused(text: str) -> None:
    with pytest.raises(AuthenticationError, match=r"^authorization: this token "):
        verifier().principal_of(text, "meters:read")


def test_what_it_may_not_do_is_another_refusal() -> None:
    for scope in (None, "", "meters:readers", "meters:write"):
        with pytest.raises(AuthorizationError, match="lacks the scope meters:read"):
            verifier().principal_of(token(scope=scope), "meters:read")


@pytest.mark.req("SEC-04")
def test_a_token_lives_until_its_expiry_and_the_leeway() -> None:
    clock = ManualClock(NOW)
    checked = verifier(clock=clock)
    text = token(exp=SECONDS + 60, nbf=SECONDS + LEEWAY_SECONDS, iat=SECONDS)
    clock.advance(timedelta(seconds=60 + LEEWAY_SECONDS - 1))
    checked.principal_of(text, "meters:read")
    clock.advance(timedelta(seconds=1))
    with pytest.raises(AuthenticationError, match="has expired"):
        checked.principal_of(text, "meters:read")


def test_only_keys_that_can_verify_here_are_used() -> None:
    assert set(usable_keys(KEY_SET)) == {"rsa", "ec", "ed"}


def test_new_keys_are_fetched_when_a_token_names_one_and_not_too_often() -> None:
    signer = Signer()
    checked = verifier(signer)
    for _ in range(3):
        checked.principal_of(token(), "meters:read")
    assert signer.asked == 1
    text = token(STRANGER, "new")
    for _ in range(5):
        with pytest.raises(AuthenticationError, match="not known"):
            checked.principal_of(text, "meters:read")
    assert signer.asked == 1
    signer.document = {"keys": [public("new", STRANGER, alg="RS256")]}
    signer.now += AGAIN_SECONDS
    checked.principal_of(text, "meters:read")
    assert signer.asked == 2
    with pytest.raises(AuthenticationError, match="not known"):
        checked.principal_of(token(), "meters:read")  # the signer took it back


def test_known_keys_serve_while_the_signer_is_away() -> None:
    signer = Signer()
    checked = verifier(signer)
    signer.down = True
    for _ in range(2):
        with pytest.raises(DependencyDownError):
            checked.principal_of(token(), "meters:read")
    assert signer.asked == 1
    signer.down, signer.now = False, AGAIN_SECONDS
    checked.principal_of(token(), "meters:read")
    signer.down, signer.now = True, 2 * FRESH_SECONDS
    checked.principal_of(token(), "meters:read")
    assert signer.asked == 3


@pytest.mark.parametrize(
    "words",
    [
        ("", "a", "https://x"),
        ("i", "", "https://x"),
        ("i", "a", "http://x"),
        ("i", "a", "file:///k"),
        ("i", "a", "https://"),
        ("i", "a", "http://127.0.0.1:80@evil.example/keys.json"),
        ("i", "a", "https://user:secret@login.example/keys.json"),
        ("i", "a", "http://127.0.0.1.evil.example/keys.json"),
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(words: tuple[str, str, str]) -> None:
    with pytest.raises(ValidationError):
        TokenIssuer(*words)


def test_who_has_a_key_does_not_wait_for_a_signer_that_hangs() -> None:
    signer, hangs, asked = Signer(), threading.Event(), threading.Event()
    checked = verifier(signer)
    checked.principal_of(token(), "meters:read")

    def hang() -> dict[str, Any]:
        asked.set()
        assert hangs.wait(30)
        return signer.document

    signer.fetch = hang  # type: ignore[method-assign]  # for this test
    signer.now = 2 * FRESH_SECONDS
    slow = threading.Thread(target=checked.principal_of, args=(token(), "meters:read"))
    slow.start()
    try:
        assert asked.wait(30)
        for _ in range(3):
            checked.principal_of(token(), "meters:read")  # while the other one waits
    finally:
        hangs.set()
        slow.join()
