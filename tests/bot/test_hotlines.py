from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.safety.hotlines import PHONE_BUTTON, Hotline, hotlines


def test_the_project_has_the_six_lines_with_their_hours() -> None:
    by_key = {hotline.key: hotline for hotline in hotlines()}
    assert {key: hotline.number for key, hotline in by_key.items()} == {
        "suicide": "109", "mental_health": "1577-0199", "youth": "1388", "women": "1366", "police": "112", "emergency": "119"
    }  # fmt: skip
    assert by_key["suicide"].hours == "24시간"
    assert by_key["police"].hours == ""


def test_a_hotline_reads_as_a_sentence_names_it_and_dials_without_hyphens() -> None:
    crisis = Hotline("mental_health", "정신건강 위기상담전화", "1577-0199", "24시간")
    assert f"{crisis}" == "정신건강 위기상담전화 1577-0199(24시간)"
    assert f"{Hotline('police', '경찰', '112')}" == "경찰 112"
    assert crisis.button("전화해 볼게요") == {
        "title": "정신건강 위기상담전화 1577-0199", "type": PHONE_BUTTON, "url": "tel:15770199", "payload": "전화해 볼게요"
    }  # fmt: skip


@pytest.mark.parametrize(
    "entry", [{"name": "경찰"}, {"name": "경찰", "number": 112}, {"name": "경찰", "number": "one"}, {"nam": "경찰"}, "112"]
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: object) -> None:
    file = tmp_path / "crisis.yml"
    file.write_text(yaml.safe_dump({"hotlines": {"police": entry}}), encoding="utf-8")
    with pytest.raises(ValueError, match="police"):
        hotlines(file)
