"""What files say of where they come from: generators, Content Credentials, cameras; and hostile metadata."""

from __future__ import annotations

import datetime
import json
import struct
import zlib
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hivescan.analyzers import provenance
from hivescan.analyzers.provenance import manifests
from hivescan.analyzers.provenance.camera import standard_quality
from hivescan.analyzers.provenance.manifests import ANCHORS_VARIABLE
from hivescan.errors import UsageError
from hivescan.media.exif import read_exif
from hivescan.media.metadata import MOST_BLOCK, MOST_TOTAL, read_metadata
from hivescan.media.probe import probe
from hivescan.types import Evidence, Limits, MediaInfo, MediaType, Says

PARAMETERS = (
    "a castle on a hill, (stone:1.2)\nNegative prompt: fog, text\n"
    "Steps: 25, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1234, Size: 512x768, Model hash: 6ce0161689, "
    'Model: v1-5-pruned, Lora hashes: "a: 1, b: 2", Version: v1.7.0'
)
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def analyzer() -> provenance.Provenance:
    return provenance.Provenance()


def evidence(path: Path, analyzer: provenance.Provenance) -> list[Evidence]:
    found = analyzer.infer(path, probe(path, Limits()), lambda: None).evidence
    assert found is not None and len(found) == 1
    for piece in found[0]:
        json.dumps(dict(piece.value))
    return list(found[0])


def only(kind: str, pieces: list[Evidence]) -> Evidence:
    (piece,) = [p for p in pieces if p.kind == kind]
    return piece


def png(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(path: Path, *chunks: bytes) -> Path:
    png(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


# --- generators ---------------------------------------------------------------------------------


def test_every_comfyui_file_is_recognised_with_its_model(data: Path, analyzer: provenance.Provenance) -> None:
    files = sorted((data / "ai_images" / "comfyui").glob("*.png"))
    assert len(files) == 14
    for path in files:
        found = only("generator", evidence(path, analyzer))
        assert (found.name, found.says) == ("ComfyUI", Says.AI_GENERATED), path.name
        assert str(found.value["model"]).endswith((".safetensors", ".ckpt")), path.name
        is_made_of_a_picture = "zero123" in path.name  # its graph has no words
        assert bool(found.value["prompt"]) is not is_made_of_a_picture, path.name


def test_words_of_a_comfyui_graph_go_to_the_side_that_they_are_given_to(
    data: Path, analyzer: provenance.Provenance
) -> None:
    folder = data / "ai_images" / "comfyui"
    found = only("generator", evidence(folder / "2_pass_txt2img__hiresfix_latent_workflow.png", analyzer))
    assert str(found.value["prompt"]).startswith("masterpiece HDR victorian portrait")
    assert found.value["negative_prompt"] == "bad hands, text, watermark"
    passed_on = only("generator", evidence(folder / "flux__flux_depth_lora_example.png", analyzer))
    assert passed_on.value["negative_prompt"] is None
    assert passed_on.value["loras"] == ["flux1-depth-dev-lora.safetensors"]


@pytest.mark.parametrize("where", ["PNG text", "JPEG UserComment", "WebP UserComment"])
def test_settings_of_a_web_ui_are_read_where_it_puts_them(
    where: str, tmp_path: Path, analyzer: provenance.Provenance
) -> None:
    if where == "PNG text":
        path = png(tmp_path / "a.png", parameters=PARAMETERS)
    else:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
        path = tmp_path / ("a.jpg" if where.startswith("JPEG") else "a.webp")
        Image.new("RGB", (8, 8)).save(path, exif=exif)
    found = only("generator", evidence(path, analyzer))
    assert (found.name, found.says) == ("Stable Diffusion web UI", Says.AI_GENERATED)
    assert found.value["prompt"] == "a castle on a hill, (stone:1.2)"
    assert found.value["negative_prompt"] == "fog, text"
    assert (found.value["model"], found.value["version"]) == ("v1-5-pruned", "v1.7.0")


@pytest.mark.parametrize(
    ("texts", "name", "model", "prompt"),
    [
        (
            {"invokeai_metadata": json.dumps({"positive_prompt": "a fox", "model": {"name": "dreamshaper"}})},
            "InvokeAI",
            "dreamshaper",
            "a fox",
        ),
        (
            {
                "sd-metadata": json.dumps(
                    {"model_weights": "stable-diffusion-1.5", "image": {"prompt": [{"prompt": "a fox"}]}}
                )
            },
            "InvokeAI",
            "stable-diffusion-1.5",
            "a fox",
        ),
        (
            {
                "Software": "NovelAI",
                "Source": "Stable Diffusion XL C1E1DE52",
                "Description": "a fox",
                "Comment": json.dumps({"prompt": "a fox", "uc": "blurry", "signed_hash": "x"}),
            },
            "NovelAI",
            "Stable Diffusion XL C1E1DE52",
            "a fox",
        ),
        (
            {"Description": "a fox --v 6.1 Job ID: 01234567-89ab-cdef-0123-456789abcdef"},
            "Midjourney",
            "v 6.1",
            "a fox --v 6.1",
        ),
        (
            {"parameters": json.dumps({"sui_image_params": {"prompt": "a fox", "model": "OfficialSDXL"}})},
            "SwarmUI",
            "OfficialSDXL",
            "a fox",
        ),
        (
            {
                "parameters": json.dumps(
                    {"prompt": "a fox", "base_model": "juggernaut", "version": "Fooocus v2.5"}
                )
            },
            "Fooocus",
            "juggernaut",
            "a fox",
        ),
        (
            {"generation_data": json.dumps({"prompt": "a fox", "baseModel": {"modelFileName": "sdxl"}})},
            "Tensor.Art",
            "sdxl",
            "a fox",
        ),
    ],
)
def test_other_generators_are_told_by_what_they_write(
    texts: dict[str, str], name: str, model: str, prompt: str, tmp_path: Path, analyzer: provenance.Provenance
) -> None:
    found = only("generator", evidence(png(tmp_path / "a.png", **texts), analyzer))
    assert (found.name, found.value["model"], found.value["prompt"]) == (name, model, prompt)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_digital_source_type_is_read_in_any_encoding(
    encoding: str, tmp_path: Path, analyzer: provenance.Provenance
) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
        f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"/></x:xmpmeta>'
    )
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, xmp=xmp.encode(encoding))
    found = only("digital_source_type", evidence(path, analyzer))
    assert (found.name, found.says) == ("trainedAlgorithmicMedia", Says.AI_GENERATED)


def test_a_program_counts_only_where_programs_sign(tmp_path: Path, analyzer: provenance.Provenance) -> None:
    signed = evidence(png(tmp_path / "a.png", Software="Midjourney"), analyzer)
    assert only("software", signed).says is Says.AI_GENERATED
    spoken_of = png(tmp_path / "b.png", Title="Not made with Midjourney", Software="Imagen 4 Windows")
    assert not [p for p in evidence(spoken_of, analyzer) if p.says is Says.AI_GENERATED]


# --- content credentials ------------------------------------------------------------------------


def test_content_credentials_have_their_state(data: Path, analyzer: provenance.Provenance) -> None:
    """File A of the set was never signed."""
    states = {}
    for path in sorted((data / "c2pa" / "jpeg").glob("*.jpg")):
        found = [p for p in evidence(path, analyzer) if p.kind == "c2pa"]
        states[path.stem.removeprefix("adobe-20220124-")] = found[0].value["state"] if found else None
        if found:
            assert found[0].value["claim_generator"]
            assert (found[0].value["state"] == "Invalid") is bool(
                {"claimSignature.mismatch", "assertion.dataHash.mismatch"} & set(found[0].value["failures"])
            )
            assert found[0].value["state"] != "Invalid" or found[0].says is Says.NOTHING
    assert states == {
        "A": None,
        "CACAICAICICA": "Valid",
        "CAICAI": "Valid",
        "CIE-sig-CA": "Valid",
        "E-sig-CA": "Invalid",
        "XCA": "Invalid",
        "truepic-20230212-library": "Invalid",
    }


def make_chain(folder: Path) -> tuple[bytes, bytes, Path]:
    """A signing certificate with its root behind it, its key, and the root alone in a file."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        name: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
    ):
        def named(text: str) -> x509.Name:
            return x509.Name(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, text),
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, text),
                ]
            )

        is_root = name == issuer
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_root,
                    crl_sign=is_root,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        if not is_root:
            made = made.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
            )
        return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Test root", "Test root", root_key, root_key)
    leaf = certificate("Test signer", "Test root", key, root_key)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    anchors = folder / "anchors.pem"
    anchors.write_bytes(root)
    return leaf + root, private, anchors


def test_a_signed_generated_picture_is_valid_and_trusted_with_its_anchor(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, analyzer: provenance.Provenance
) -> None:
    certificates, key, anchors = make_chain(tmp_path)
    manifest = {
        "claim_generator_info": [{"name": "Test generator", "version": "1"}],
        "format": "image/jpeg",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": TRAINED}]},
            }
        ],
    }
    signed = tmp_path / "signed.jpg"
    info = c2pa.C2paSignerInfo(b"es256", certificates, key, None)
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(json.dumps(manifest)) as builder,
        (photos / "rocket.jpg").open("rb") as source,
        signed.open("w+b") as target,
    ):
        builder.sign(signer, "image/jpeg", source, target)
    plain = only("c2pa", evidence(signed, analyzer))
    assert (plain.name, plain.says, plain.value["state"]) == ("valid", Says.AI_GENERATED, "Valid")
    assert plain.value["digital_source_types"] == ["trainedAlgorithmicMedia"]
    assert plain.value["issuer"] == "Test signer"
    monkeypatch.setenv(ANCHORS_VARIABLE, str(anchors))
    trusting = provenance.Provenance()
    assert only("c2pa", evidence(signed, trusting)).value["state"] == "Trusted"
    assert trusting.spec.fingerprint(None) != analyzer.spec.fingerprint(None)
    damaged = bytearray(signed.read_bytes())
    damaged[-1000] ^= 1
    signed.write_bytes(bytes(damaged))
    broken = only("c2pa", evidence(signed, trusting))
    assert (broken.value["state"], broken.says) == ("Invalid", Says.NOTHING)


@pytest.mark.parametrize("named", ["anchors.pem", "/nowhere/anchors.pem"])
def test_anchors_that_cannot_be_read_are_told_before_a_scan(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_chain(tmp_path)
    monkeypatch.setenv(ANCHORS_VARIABLE, named)
    with pytest.raises(UsageError, match=ANCHORS_VARIABLE):
        provenance.spec()


# --- cameras, and no claim where there is none ---------------------------------------------------


def test_cameras_leave_traces(data: Path, analyzer: provenance.Provenance) -> None:
    folder = data / "photos_exif"
    phone = only("camera", evidence(folder / "IMG_5195.HEIC", analyzer))
    assert (phone.name, phone.value["make"], phone.value["model"]) == (
        "maker note",
        "Apple",
        "iPhone 11 Pro Max",
    )
    canon = evidence(folder / "canon-ixus.jpg", analyzer)
    assert only("camera", canon).says is Says.CAMERA
    assert only("quantisation", canon).name == "own tables"
    edited = evidence(folder / "Canon_40D.jpg", analyzer)
    assert only("software", edited).says is Says.EDITED
    for path in folder.iterdir():
        for piece in evidence(path, analyzer):
            assert not {"gps", "latitude", "serial"} & {key.lower() for key in piece.value}


@pytest.mark.parametrize("quality", [1, 30, 75, 92, 100])
def test_tables_of_the_common_library_give_their_quality(quality: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, quality=quality)
    tables = read_metadata(path, probe(path, Limits()), Limits()).quantisation
    assert standard_quality(tables[0], tables[1]) == quality


def test_no_real_photo_is_said_to_be_generated(
    data: Path, photos: Path, analyzer: provenance.Provenance
) -> None:
    folders = [data / "clothing" / "train", data / "objects", data / "photos_exif", photos]
    files = [p for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()]
    seen = 0
    for path in files:
        mime = {".jpg": "image/jpeg", ".png": "image/png"}.get(path.suffix.lower())
        if mime is None:
            continue
        found = analyzer.infer(path, MediaInfo(MediaType.IMAGE, mime), lambda: None).evidence
        assert found is not None
        assert not [p for p in found[0] if p.says is Says.AI_GENERATED], path
        seen += 1
    assert seen >= 2_000


# --- hostile metadata ---------------------------------------------------------------------------


def test_a_packed_text_is_unpacked_up_to_a_bound(tmp_path: Path, analyzer: provenance.Provenance) -> None:
    bomb = zlib.compress(b"x" * (200 * MOST_BLOCK), 9)
    blocks = [chunk(b"zTXt", b"parameters\0\0" + bomb) for _ in range(12)]
    path = png_with(tmp_path / "bomb.png", *blocks)
    found = read_metadata(path, MediaInfo(MediaType.IMAGE, "image/png"), Limits())
    assert all(len(text) <= MOST_BLOCK for _, text in found.texts)
    assert sum(len(text) for _, text in found.texts) <= MOST_TOTAL
    assert evidence(path, analyzer) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        "[" * 200_000,
        json.dumps({"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "negative": ["1", 0]}}}),
        json.dumps(
            {str(i): {"class_type": "X", "inputs": {"positive": [str(i + 1), 0]}} for i in range(9_000)}
        ),
        '{"1": {"class_type": 5, "inputs": []}}',
        '{"prompt": "{\\"1\\": 1}", "workflow": []}',
        "Steps: 1, " + "a: " * 50_000,
        "Steps: 20, Sampler: x, " + '"\\' * 50_000,
        "Negative prompt:" * 20_000,
        "9" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=range(11),
)
def test_malformed_texts_cost_nothing(text: str, tmp_path: Path, analyzer: provenance.Provenance) -> None:
    for key in ("prompt", "parameters", "workflow", "Comment", "invokeai_metadata", "sd-metadata", "Dream"):
        body = key.encode() + b"\0\0\0\0\0" + text.encode()
        evidence(png_with(tmp_path / "a.png", chunk(b"iTXt", body)), analyzer)


def test_a_very_long_prompt_is_cut(tmp_path: Path, analyzer: provenance.Provenance) -> None:
    path = png(tmp_path / "a.png", parameters="castle " * 10_000 + PARAMETERS)
    found = only("generator", evidence(path, analyzer))
    assert len(str(found.value["prompt"])) == 10_000 and found.value["cut"]


def test_huge_manifests_cost_nothing_but_themselves(
    data: Path, analyzer: provenance.Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_MOST_JSON", 100)
    signed = evidence(data / "c2pa" / "jpeg" / "adobe-20220124-CAICAI.jpg", analyzer)
    assert only("c2pa", signed).name == "unreadable"
    assert "quantisation" in {piece.kind for piece in signed}


@pytest.mark.parametrize(("mime", "top"), [("image/jxl", b"\0\0\0\x0cJXL \r\n\x87\n"), ("video/mp4", b"")])
def test_a_box_that_ends_beyond_every_file_costs_nothing(
    mime: str, top: bytes, tmp_path: Path, analyzer: provenance.Provenance
) -> None:
    box = struct.pack(">I4sQ", 1, b"free", 2**64 - 8)
    (tmp_path / "a").write_bytes(top + struct.pack(">I4s", 16, b"free") + bytes(8) + box + bytes(99))
    info = MediaInfo(MediaType.IMAGE if top else MediaType.VIDEO, mime)
    assert analyzer.infer(tmp_path / "a", info, lambda: None).evidence is not None


def test_tags_that_all_point_at_the_same_megabyte_are_read_up_to_a_bound() -> None:
    """A directory of 512 tags would be half a gigabyte."""
    entries = b"".join(struct.pack("<HHII", 1000 + i, 7, 1 << 20, 8) for i in range(512))
    data = b"II*\0" + struct.pack("<I", 1 << 20) + bytes((1 << 20) - 8) + struct.pack("<H", 512) + entries
    found = read_exif(data)
    assert 0 < sum(len(value) for value in found.values() if isinstance(value, bytes)) <= 8 << 20


def samples_of_metadata(folder: Path) -> list[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "EOS", "Adobe Photoshop"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + PARAMETERS.encode()
    xmp = f'<x Iptc4xmpExt:DigitalSourceType="{TRAINED}" xmp:CreatorTool="Adobe Firefly"/>'.encode()
    made = []
    for suffix, mime in (("jpg", "jpeg"), ("png", "png"), ("webp", "webp"), ("tif", "tiff")):
        path = folder / f"a.{suffix}"
        Image.new("RGB", (8, 8)).save(path, exif=exif, **({} if suffix == "tif" else {"xmp": xmp}))
        made.append((f"image/{mime}", path.read_bytes()))
    return made


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 3),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.floats(0.1, 1),
)
def test_damaged_metadata_never_raises(
    which: int,
    places: list[tuple[float, int]],
    cut: float,
    tmp_path: Path,
    analyzer: provenance.Provenance,
) -> None:
    mime, whole = samples_of_metadata(tmp_path)[which]
    damaged = bytearray(whole)
    for place, byte in places:
        damaged[min(int(place * len(damaged)), len(damaged) - 1)] = byte
    path = tmp_path / "damaged"
    path.write_bytes(bytes(damaged[: int(cut * len(damaged))]))
    found = analyzer.infer(path, MediaInfo(MediaType.IMAGE, mime), lambda: None).evidence
    assert found is not None and len(found) == 1
