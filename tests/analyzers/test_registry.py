"""Planning: what analyzers there are, from cards alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hivescan.analyzers import in_worker, registry
from hivescan.errors import UsageError
from hivescan.types import Polarity


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights on this machine."""
    monkeypatch.setenv("HIVESCAN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("HIVESCAN_MIRROR", raising=False)


@pytest.mark.usefixtures("empty_cache")
def test_planning_needs_no_weights_and_no_runtime() -> None:
    heavy = "{'torch', 'onnxruntime', 'onnx', 'timm', 'transformers'}"
    code = (
        "import sys; from hivescan.analyzers import registry;"
        "specs = registry.available(); [s.fingerprint('fps=1') for s in specs.values()];"
        f"found = {heavy} & set(sys.modules); assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_profiles_name_analyzers_and_none_that_asks_for_an_agreement() -> None:
    specs = registry.available()
    for names in registry.PROFILES.values():
        for name in names:
            assert name in specs
            assert not any(card.licence.must_accept for card in registry.models_of(name))


@pytest.mark.usefixtures("empty_cache")
def test_a_missing_npm_turns_one_model_off_and_its_analyzer_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with_both = registry.available()["nsfw"]
    assert with_both.heads is not None
    if "nsfwjs" not in with_both.heads:
        pytest.skip("npm is not installed here")
    monkeypatch.setattr("hivescan.models.fetch.npm_command", lambda: None)
    assert registry.missing("nsfw") is None
    assert "npm is not installed" in registry.models_off("nsfw")["nsfwjs"]
    alone = registry.available()["nsfw"]
    assert alone.heads is not None
    assert list(alone.heads) == ["opennsfw"]
    assert alone.fingerprint(None) != with_both.fingerprint(None)


@pytest.mark.usefixtures("empty_cache")
def test_body_parts_wait_for_an_agreement() -> None:
    reason = registry.missing("body_parts")
    assert reason is not None
    assert "AGPL-3.0" in reason
    assert "hivescan models pull nudenet" in reason


def test_an_unknown_analyzer_is_answered_with_those_that_exist() -> None:
    for ask in (registry.load, registry.missing, registry.models_of):
        with pytest.raises(UsageError, match="there is no analyzer 'tarot'; there are hashes"):
            ask("tarot")
    with pytest.raises(UsageError, match="decode workers"):
        registry.load("hashes")
    with pytest.raises(UsageError, match="no frame analyzer 'nsfw'"):
        in_worker.load_decoder("nsfw")


def test_attire_is_described_and_weapons_are_harmful() -> None:
    heads = registry.available()["objects"].heads
    assert heads is not None
    polarity = {c.label: c.polarity for h in heads["efficientnet_lite2"] for c in h.classes}
    assert polarity["yes_gun_any"] is Polarity.HARMFUL
    assert polarity["yes_female_swimwear"] is Polarity.DESCRIPTIVE
    assert polarity["no_gun_any"] is Polarity.BENIGN
    assert polarity["espresso"] is Polarity.DESCRIPTIVE


def test_every_spec_has_its_own_fingerprint_that_sampling_changes() -> None:
    specs = registry.available()
    assert len({spec.fingerprint(None) for spec in specs.values()}) == len(specs)
    for spec in specs.values():
        assert spec.fingerprint("fps=1") != spec.fingerprint("fps=2")


def test_precision_is_part_of_the_fingerprint_of_the_models_that_it_concerns() -> None:
    plain = registry.spec_of("nsfw").fingerprint(None)
    assert registry.spec_of("nsfw", precision="float32").fingerprint(None) == plain
    assert registry.spec_of("nsfw", precision="float16").fingerprint(None) != plain
    quantised = registry.spec_of("embedding").fingerprint(None)
    assert registry.spec_of("embedding", precision="float16").fingerprint(None) == quantised
    assert quantised == registry.available()["embedding"].fingerprint(None)


def test_a_precision_that_a_model_lacks_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="bfloat16"):
        registry.spec_of("nsfw", precision="bfloat16")


def test_textures_are_an_analyzer_of_their_own_and_in_no_profile() -> None:
    spec = registry.spec_of("texture_lite2")
    assert not spec.heads
    assert {view.resize_to for view in spec.views.values()} == {320}  # type: ignore[union-attr]
    assert all("texture_lite2" not in registry.profile(name) for name in registry.PROFILES)
    assert "minilm_l6" not in registry.available(), (
        "vectors of texts are read by the heads that stand on them"
    )
