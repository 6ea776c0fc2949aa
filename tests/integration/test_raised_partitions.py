"""An installation whose topics were given more partitions is refused at the start, and told the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InvalidSettings
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings
from streams.tables import changelog_topics
from streams.worker import run_worker


@pytest.mark.parametrize("setting", [2, 4])
def test_topics_that_were_raised_without_their_changelogs_advise_no_number(
    kafka: Cluster, topic_prefix: str, tmp_path: Path, setting: int
) -> None:
    settings = Settings(
        kafka=kafka.connection, topic_prefix=topic_prefix, partitions=setting, data_dir=tmp_path, metrics_port=0
    )
    create_topics(kafka.connection, partitions=2, topics=changelog_topics(settings))
    create_topics(kafka.connection, partitions=4, prefix=topic_prefix)
    told = r"_digests-changelog has 2 partitions.*, and all others \(10\) have 4: they must be equal\."
    with pytest.raises(InvalidSettings, match=told) as refused:
        run_worker(settings)
    assert "SHELFWISE_PARTITIONS=" not in str(refused.value)
