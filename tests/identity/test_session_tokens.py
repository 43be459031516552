from __future__ import annotations

from uuid import UUID

import pytest

from core.errors import AuthenticationError
from identity.api_keys import hash_api_key
from identity.session_tokens import SessionExpiredError, check_token, key_id_of, make_token

KEY_ID, OTHER = UUID(int=7), UUID(int=8)
HASH = hash_api_key("tb_live_a_b")


def test_a_token_names_its_key_and_lives_until_its_end() -> None:
    token = make_token(KEY_ID, HASH, 1000)
    assert key_id_of(token) == KEY_ID
    check_token(token, HASH, 999)
    with pytest.raises(SessionExpiredError, match="expired; ask for another one"):
        check_token(token, HASH, 1000)


@pytest.mark.parametrize(
    "forged",
    [
        make_token(KEY_ID, HASH, 1000).replace("_1000_", "_9000_"),
        make_token(OTHER, HASH, 1000).replace(OTHER.hex, KEY_ID.hex),
        make_token(KEY_ID, hash_api_key("another"), 1000),
        make_token(KEY_ID, HASH, 1000)[:-1] + "x",
        make_token(KEY_ID, HASH, 1000) + "0",
        "tb_live_a_b",
        "",
    ],
    ids=["later", "other key's", "other secret", "no hex", "longer", "an API key", "nothing"],
)
def test_what_was_never_given_out_is_not_known(forged: str) -> None:
    with pytest.raises(AuthenticationError, match="session token is not known") as caught:
        check_token(forged, HASH, 1)
    assert not isinstance(caught.value, SessionExpiredError)
