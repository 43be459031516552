"""Somebody who signs tokens, honestly or not, and publishes keys."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER, AUDIENCE = "https://login.example", "tollbook"
RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)  # too small to be believed
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)


def public(kid: str, key: Any, **words: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        text = RSAAlgorithm.to_jwk(key.public_key())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        text = ECAlgorithm.to_jwk(key.public_key())
    else:
        text = OKPAlgorithm.to_jwk(key.public_key())
    found: dict[str, Any] = json.loads(text)
    return found | {"kid": kid, "use": "sig"} | words


KEY_SET = {
    "keys": [
        public("rsa", RSA, alg="RS256"),
        public("small", SMALL, alg="RS256"),
        public("ec", EC, alg="ES256"),
        public("ed", ED, alg="EdDSA"),
        public("encryption", STRANGER, alg="RS256", use="enc"),
        {"kid": "shared", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "broken", "kty": "RSA", "n": "AQAB"},
        {"kid": "none", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "none"},
        {"kid": "listed", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": ["RS256"]},
        {"kid": "strange", "kty": "EC", "crv": "P-0", "x": "AQ", "y": "AQ"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "nothing",
    ]
}


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "tenant": "acme",
        "scope": "meters:read changes:read",
        "iat": int(NOW.timestamp()) - 60,
        "exp": int(NOW.timestamp()) + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(key: Any = RSA, kid: str = "rsa", alg: str = "RS256", **changes: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)  # one of the keys is too small
        return jwt.encode(claims(**changes), key, alg, headers={"kid": kid})


def by_hand(header: Mapping[str, Any], body: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
