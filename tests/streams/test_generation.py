from __future__ import annotations

import pytest
from confluent_kafka.cimpl import NewTopic

from core.endpoints import Endpoints
from core.errors import ConflictError
from streams.generation import ensure_generation, kafka_admin


def test_a_topic_that_was_created_again_is_another_log_and_refused(
    installation: Endpoints,
) -> None:
    before = ensure_generation(installation)
    assert ensure_generation(installation) == before
    admin, topic = kafka_admin(installation), installation.usage_events_topic()
    admin.delete_topics([topic])[topic].result()
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result()
    with pytest.raises(ConflictError, match="deleted or created again"):
        ensure_generation(installation)


def test_two_prefixes_cannot_share_one_set_of_tables(installation: Endpoints) -> None:
    from dataclasses import replace

    with pytest.raises(ConflictError, match="is the topic"):
        ensure_generation(replace(installation, topic_prefix="other."))
