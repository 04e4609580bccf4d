"""Models that look at faces, asked about pictures: of several faces the one of which they say the most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hivescan
from hivescan.automl.datasets.importing import create_dataset
from hivescan.automl.heads.predict import predict
from hivescan.automl.heads.trying import try_files
from hivescan.automl.home import vectors_store
from hivescan.errors import UsageError


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """A picture with two faces, and one without any."""
    face = Image.open(photos / "astronaut.png").convert("RGB").crop((120, 0, 320, 200))
    both = Image.new("RGB", (640, 320), (90, 110, 100))
    both.paste(face, (40, 60))
    both.paste(face.resize((50, 50)).resize((240, 240)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), (350, 40))
    for name in ("two", "none"):
        (tmp_path / "media" / name).mkdir(parents=True)
    both.save(tmp_path / "media" / "two" / "faces.png")
    Image.open(photos / "brick.png").convert("RGB").save(tmp_path / "media" / "none" / "brick.png")
    return tmp_path / "media"


@pytest.mark.usefixtures("home")
def test_of_several_faces_the_one_of_which_a_head_says_the_most_counts(folder: Path) -> None:
    dataset = create_dataset("faces", folder, heads=["seen"])
    rows = {Path(uri).stem: n for n, uri in enumerate(dataset.items.column("uri").to_pylist())}
    made = predict("dlib_age", dataset.items, "image")
    of_face = hivescan.open(vectors_store()).sql(
        "SELECT region, score FROM scores WHERE label = 'yes_child_present' ORDER BY region"
    )
    by_region = of_face.column("score").to_pylist()
    assert len(by_region) == 2
    assert by_region[1] > by_region[0], "else the first face would do"
    labels, table = made.heads["child_present"]
    said = table[rows["faces"]]
    assert said[labels.index("yes_child_present")] == pytest.approx(max(by_region))
    assert said.sum() == pytest.approx(1)
    # Another analyzer has the model's other head.
    labels, table = made.heads["age"]
    assert table[rows["faces"]].sum() == pytest.approx(1, abs=1e-5)
    assert np.isnan(table[rows["brick"]]).all()
    assert made.reasons == {rows["brick"]: "has nothing in it that the model looks at"}


@pytest.mark.usefixtures("home")
def test_one_that_looks_at_faces_cannot_be_tried_on_a_whole_picture(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"mesonet looks at what faces finds .* --analyzers mesonet"):
        try_files("mesonet", [str(folder / "two" / "faces.png")])
