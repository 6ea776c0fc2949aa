"""A session timeout that the brokers do not take is refused before a consumer would try to join for ever."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import InvalidSettings
from streams.kafka.cluster import Cluster
from streams.kafka.session_timeout import check_session_timeout
from streams.settings import Settings
from streams.worker import run_worker


@pytest.mark.parametrize("seconds", [0.01, 100_000])
def test_a_session_timeout_beyond_the_brokers_bounds_is_refused_by_their_names(
    kafka: Cluster, topic_prefix: str, tmp_path: Path, seconds: float
) -> None:
    settings = Settings(kafka=kafka.connection, topic_prefix=topic_prefix, data_dir=tmp_path, metrics_port=0)
    told = rf"TIMEOUT_SECONDS is {seconds:g}, and .* allow \d+ to \d+; .*group\.min\.session\.timeout\.ms and"
    with pytest.raises(InvalidSettings, match=told):
        run_worker(settings.model_copy(update={"session_timeout_seconds": seconds}))


def test_where_the_brokers_do_not_tell_their_bounds_none_are_known(
    kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdminClient, "describe_configs", lambda *_, **__: defaultdict(_Refused))
    check_session_timeout(kafka.connection, 0.01)


class _Refused:
    def result(self) -> None:
        raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))
