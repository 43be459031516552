from __future__ import annotations

import pytest
from confluent_kafka.cimpl import NewTopic

from core.endpoints import Endpoints
from core.errors import ConflictError
from streams.bridge.process import check_inbox
from streams.generation import await_topic_id, kafka_admin

FOR_34_DAYS = str(34 * 24 * 3600 * 1000)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("retention.ms", FOR_34_DAYS, None),
        ("retention.ms", str(int(FOR_34_DAYS) + 1), "at most 2937600000"),
        ("retention.ms", "-1", "at most 2937600000"),
        ("cleanup.policy", "compact", "cleanup.policy is compact"),
        ("message.timestamp.type", "CreateTime", "set it to LogAppendTime"),
    ],
)
def test_a_topic_that_would_be_counted_again_is_refused(
    installation: Endpoints, setting: str, value: str, says: str | None
) -> None:
    admin, topic = kafka_admin(installation), f"{installation.topic_prefix}{setting}.{value}"
    config = {"message.timestamp.type": "LogAppendTime", setting: value}
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result()
    await_topic_id(admin, topic)
    try:
        if says is None:
            check_inbox(admin, topic)
        else:
            with pytest.raises(ConflictError, match=says):
                check_inbox(admin, topic)
    finally:
        admin.delete_topics([topic])[topic].result()


def test_the_inbox_of_an_installation_is_taken(installation: Endpoints) -> None:
    check_inbox(kafka_admin(installation), installation.inbox_topic())
