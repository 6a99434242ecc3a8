from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.client import jobfile
from farm.errors import InvalidInput, TooLarge
from farm.spec import PrintJob

TEXT = """\
farm: 1
kind: print
content: pictures/cat.jpg
styles:
  - name: wave
  - image: style.png
    mask: /masks/sky.png
    rights: {licence: own, source: me}
output:
  long_edge: 1024
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(TEXT)
    return path


def test_relative_pictures_start_at_the_job_file(file: Path) -> None:
    job = jobfile.read(file)
    assert isinstance(job, PrintJob)
    assert jobfile.pictures(job) == [
        ("content", file.parent / "pictures/cat.jpg"),
        ("styles.1.image", file.parent / "style.png"),
        ("styles.1.mask", Path("/masks/sky.png")),
    ]


def test_blobs_are_no_local_pictures(file: Path) -> None:
    job = jobfile.read(file, [f"content=sha256:{'0' * 64}"])
    assert [field for field, _ in jobfile.pictures(job)] == ["styles.1.image", "styles.1.mask"]


def test_json_reads_like_yaml(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "job.json"
    other.write_text(json.dumps(jobfile.read(file).model_dump(mode="json")))
    assert jobfile.read(other) == jobfile.read(file)


def test_overrides_have_yaml_types(file: Path) -> None:
    job = jobfile.read(
        file,
        [
            "output.long_edge=30 cm",
            "styles.0.weight=2",
            "engine.tile=256",
            "routing.spot=false",
            "labels.a=b",
        ],
    )
    assert job.output.long_edge is not None
    assert job.output.long_edge.millimetres == 300
    assert job.styles[0].weight == 2.0
    assert job.engine.tile == 256
    assert job.routing.spot is False
    assert job.labels == {"a": "b"}


def test_an_override_can_take_a_value_away(file: Path) -> None:
    job = jobfile.read(file, ["output.long_edge=null", "output.paper=A4"])
    assert job.output.paper == "A4"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        pytest.param("output.long_egde=9", "did you mean 'long_edge'", id="key"),
        pytest.param("ouptut.long_edge=9", "did you mean 'output'", id="section"),
        pytest.param("styles.0.wieght=2", "did you mean 'weight'", id="key in a list"),
        pytest.param("styles.7.weight=2", "'7'", id="index"),
        pytest.param("styles.x.weight=2", "'x'", id="no index"),
        pytest.param("content.x=2", "plain value", id="value"),
        pytest.param("priority", "path=value", id="no value"),
        pytest.param(".=1", "path=value", id="no path"),
        pytest.param("priority=[1", "not a YAML value", id="not YAML"),
        pytest.param("priority=high", "'high'", id="type"),
    ],
)
def test_a_wrong_override_is_one_sentence(file: Path, override: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        jobfile.read(file, [override])
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        pytest.param("a.yaml", "farm: 1\nkind: [print\n", "line 3", id="half a list"),
        pytest.param("a.yaml", "farm: 1\nfarm: 1\n", "line 2: the key 'farm' is", id="twice"),
        pytest.param("a.yaml", "farm: !!python/object:os.system 1", "line 1", id="object"),
        pytest.param("a.yaml", "a\0b", "no text", id="nul"),
        pytest.param("a.yaml", "just words", "mapping", id="no mapping"),
        pytest.param("a.yaml", "", "mapping", id="empty"),
        pytest.param("a.yaml", "[" * 5000, "YAML", id="deep"),
        pytest.param("a.json", '{"farm": 1,\n', "line 2", id="half JSON"),
        pytest.param("a.json", '{"farm": 1, "farm": 1}', "'farm' is there twice", id="JSON twice"),
    ],
)  # fmt: skip
def test_what_is_no_job_file_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        jobfile.read(path)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_an_unknown_key_is_told_with_what_was_meant(file: Path) -> None:
    file.write_text(TEXT.replace("output:", "ouput:"))
    with pytest.raises(InvalidInput):
        jobfile.read(file)
    file.write_text(f"{TEXT}priorty: 7\n")
    with pytest.raises(InvalidInput, match="did you mean 'priority'"):
        jobfile.read(file)


def test_a_missing_file_a_folder_and_a_picture_are_told(tmp_path: Path) -> None:
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0")
    for path, words in [
        (tmp_path / "no.yaml", "not there"),
        (tmp_path, "directory"),
        (picture, "UTF-8"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            jobfile.read(path)


def test_a_file_over_a_megabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(TooLarge, match="1 MB"):
        jobfile.read(path)
