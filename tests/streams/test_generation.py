from __future__ import annotations

from dataclasses import replace

import pytest
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic

from core.endpoints import Endpoints
from core.errors import ConflictError
from streams.generation import check_log, ensure_generation, kafka_admin

_SET = AlterConfigOpType.SET


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


@pytest.mark.parametrize(
    ("setting", "value"),
    [("retention.ms", "86400000"), ("message.timestamp.type", "CreateTime")],
)
def test_a_topic_that_forgets_or_takes_the_senders_time_cannot_carry_the_log(
    installation: Endpoints, setting: str, value: str
) -> None:
    bound, admin = ensure_generation(installation), kafka_admin(installation)
    check_log(admin, bound)
    change = ConfigResource(
        ConfigResource.Type.TOPIC,
        bound.topic,
        incremental_configs=[ConfigEntry(setting, value, incremental_operation=_SET)],
    )
    admin.incremental_alter_configs([change])[change].result()
    with pytest.raises(ConflictError, match=f"'{setting}': '{value}'"):
        check_log(admin, bound)


def test_two_prefixes_cannot_share_one_set_of_tables(installation: Endpoints) -> None:
    with pytest.raises(ConflictError, match="is the topic"):
        ensure_generation(replace(installation, topic_prefix="other."))
