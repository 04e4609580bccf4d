"""A track's faces speak with one voice."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.queries.tracks import along_tracks

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),  # content
        st.integers(0, 3),  # index
        st.integers(0, 2),  # region
        st.sampled_from(["deepfake", "child_present"]),
        st.none() | st.integers(0, 1),  # track
        st.floats(0, 1, width=32),
    ),
    max_size=24,
    unique_by=lambda row: row[:4],
)


def averaged(rows: list[tuple]) -> list[tuple]:
    """The scores of the rows as the query has them, in order."""
    connection = duckdb.connect()
    faces = {(content, index, region): track for content, index, region, _, track, _ in rows}
    scores = pa.table(
        {
            "content_id": [r[0] for r in rows],
            "chain": pa.array(["faces>deepfakes"] * len(rows), pa.string()),
            "level": pa.array(["face"] * len(rows), pa.string()),
            "model": pa.array(["m"] * len(rows), pa.string()),
            "head": pa.array([r[3] for r in rows], pa.string()),
            "label": pa.array(["yes"] * len(rows), pa.string()),
            "index": pa.array([r[1] for r in rows], pa.int64()),
            "region": pa.array([r[2] for r in rows], pa.int32()),
            "score": pa.array([r[5] for r in rows], pa.float32()),
        }
    )
    regions = pa.table(
        {
            "content_id": pa.array([c for c, _, _ in faces], pa.string()),
            "chain": pa.array(["faces"] * len(faces), pa.string()),
            "index": pa.array([i for _, i, _ in faces], pa.int64()),
            "region": pa.array([r for _, _, r in faces], pa.int32()),
            "track": pa.array(list(faces.values()), pa.int32()),
        }
    )
    means = {"deepfake": "mean", "child_present": "highest"}
    heads = pa.table({"model": ["m", "m"], "head": list(means), "over_track": list(means.values())})
    connection.register("heads", heads)
    connection.register("scores", scores)
    connection.register("regions", regions)
    return connection.execute(
        f"""SELECT content_id, index, region, head, score FROM {along_tracks("scores")}
            ORDER BY content_id, index, region, head"""
    ).fetchall()


@given(ROWS)
def test_a_score_is_its_tracks_mean_and_nothing_else_changes(rows: list[tuple]) -> None:
    track_of = {row[:3]: row[4] for row in rows}
    expected = []
    for content, index, region, head, _, score in rows:
        track = track_of[content, index, region]
        mates = [
            row[5]
            for row in rows
            if (row[0], row[3], track_of[row[:3]]) == (content, head, track) and track is not None
        ]
        mean = float(np.mean(mates)) if mates and head == "deepfake" else score
        expected.append((content, index, region, head, pytest.approx(mean, abs=1e-6)))
    assert averaged(rows) == sorted(expected, key=lambda row: row[:4])


def test_one_odd_frame_of_a_person_does_not_flag_the_video() -> None:
    frames = [("v", i, 0, "deepfake", 0, 0.95 if i == 3 else 0.05) for i in range(10)]
    frames += [("v", i, 1, "deepfake", 1, 0.8) for i in range(10)]
    assert max(score for *_, score in averaged(frames)) == pytest.approx(0.8)
