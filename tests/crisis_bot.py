"""A small bot: the project's rules, words and ordinary intents, a form, and `crisis` as a retrieval intent."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

import rasa.model_training
import yaml

from training.rasa_data import Crisis

ROOT = Path(__file__).parents[1]
KINDS = ("thinking", "plan", "acted", "other_person", "harm_others")
# What crises look like to the detector may change; these must be learned by heart.
UTTERANCES = {
    "thinking": ["죽고 싶어요", "그냥 죽고 싶다", "사라지고 싶어", "자살 생각이 나요"],
    "plan": ["오늘 밤에 죽으려고 다 준비했어요", "유서도 써 놨어요", "죽을 날짜를 정했어요", "다 준비해 놨어요 죽으려고"],
    "acted": ["방금 약을 잔뜩 먹었어요", "손목을 그었어요", "약 먹었어요 죽으려고", "피가 안 멎어요 손목"],
    "other_person": ["친구가 죽고 싶다고 해요", "친구가 자살한다고 문자를 보냈어요", "동생이 죽겠다고 집을 나갔어요"],
    "harm_others": ["그 사람을 죽이고 싶어요", "그 인간 죽여버릴 거야", "그놈을 찌르고 싶어요"],
}
WELLNESS = {
    "증상/불면": ["잠이 안 와요", "밤에 자꾸 깨요", "누워도 잠이 오질 않아", "불면증인가 봐요", "한숨도 못 잤어요"],
    "감정/외로움": ["너무 외로워요", "곁에 아무도 없어요", "혼자라서 외롭다", "외로움이 커요", "외로워"],
    "감정/자살충동": ["생을 마감하고 싶습니다", "삶을 끝내고 싶습니다", "이 생을 마감하는 게 낫겠습니다"],
}
FORM = """
version: "3.1"
intents:
  - start_diary
entities: []
slots:
  mood:
    type: text
    influence_conversation: false
    mappings:
      - type: from_text
        conditions:
          - active_loop: diary_form
            requested_slot: mood
  reason:
    type: text
    influence_conversation: false
    mappings:
      - type: from_text
        conditions:
          - active_loop: diary_form
            requested_slot: reason
forms:
  diary_form:
    required_slots:
      - mood
      - reason
responses:
  utter_ask_mood:
    - text: 오늘 기분을 한 단어로 적어 주세요.
  utter_ask_reason:
    - text: 그 까닭을 적어 주세요.
  utter_diary_done:
    - text: 일기를 적었어요.
"""
FORM_RULES = """
version: "3.1"
rules:
  - rule: A diary is begun
    steps:
      - intent: start_diary
      - action: diary_form
      - active_loop: diary_form
  - rule: A diary is done
    condition:
      - active_loop: diary_form
    steps:
      - action: diary_form
      - active_loop: null
      - slot_was_set:
          - requested_slot: null
      - action: utter_diary_done
"""


def train(folder: Path) -> Path:
    """Writes the bot's sources into `folder`, trains it in seconds and returns the model's file."""
    crisis = Crisis.load(ROOT / "data" / "crisis.yml")
    with (ROOT / "data" / "crisis_utterances.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    examples = {
        f"crisis/{kind}": [*UTTERANCES[kind] * 3, *islice((row["utterance"] for row in rows if row["kind"] == kind), 40)]
        for kind in KINDS
    }
    examples |= {f"wellness/{category.replace('/', '.')}": texts for category, texts in WELLNESS.items()}
    examples["start_diary"] = ["일기 쓸래요", "일기 쓰고 싶어요", "오늘 일기", "일기 시작", "감정 일기 쓰기"]
    nlu = [{"intent": intent, "examples": "".join(f"- {text}\n" for text in texts)} for intent, texts in examples.items()]
    responses = {f"utter_wellness/{category.replace('/', '.')}": [{"text": f"{category} 답"}] for category in WELLNESS}
    responses |= {f"utter_crisis/{kind}": [{"text": "정책이 답하지 않았어요."}] for kind in KINDS}
    files = {
        "nlu.yml": {"version": "3.1", "nlu": nlu},
        "responses.yml": {"version": "3.1", "responses": responses | crisis.responses},
    }
    data = folder / "data"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    (data / "form_rules.yml").write_text(FORM_RULES, encoding="utf-8")
    domain = folder / "domain"
    domain.mkdir()
    (domain / "form.yml").write_text(FORM, encoding="utf-8")
    (domain / "domain.yml").write_text((ROOT / "domain.yml").read_text(encoding="utf-8"), encoding="utf-8")
    result = rasa.model_training.train(
        domain=str(domain),
        config=str(ROOT / "tests" / "configs" / "crisis.yml"),
        training_files=[str(data), str(ROOT / "data" / "intents.yml"), str(ROOT / "data" / "rules.yml")],
        output=str(folder / "models"),
        fixed_model_name="crisis",
    )
    assert result.model is not None, f"training failed with code {result.code}"
    return Path(result.model)
