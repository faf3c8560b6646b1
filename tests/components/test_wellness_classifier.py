"""Real pipelines, trained from the config files in `tests/configs/` and asked through Rasa's own `Agent`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasa.model_training
from rasa.core.agent import Agent
from rasa.shared.exceptions import RasaException

from components.back_off import BackOff
from components.categories import category_path
from components.category_model import CategoryModel
from components.encoder.settings import EncoderSettings

CONFIGS = Path(__file__).parent.parent / "configs"
NLU = """\
version: "3.1"
nlu:
- intent: wellness/증상.불면
  examples: |
    - 잠이 안 와요
    - 새벽까지 잠을 못 자요
    - 밤에 자꾸 깨서 잠을 설쳐요
    - 누워도 잠이 오질 않아
    - 어제도 한숨도 못 잤어요
    - 불면증인가 봐요 잠을 못 자
- intent: wellness/감정.우울감
  examples: |
    - 요즘 너무 우울해요
    - 우울해서 아무것도 못 하겠어
    - 하루 종일 우울한 기분이에요
    - 이유도 없이 우울해졌어
    - 우울한 마음이 가시질 않네요
    - 자꾸 우울해져요
- intent: wellness/감정.자살충동
  examples: |
    - 죽고 싶어요
    - 그만 살고 싶어
    - 사라지고 싶다는 생각만 해요
    - 죽고 싶다는 생각이 들어요
    - 자살하고 싶어
    - 더는 살고 싶지 않아요
- intent: greet
  examples: |
    - 안녕하세요
    - 안녕
    - 반가워요
    - ㅎㅇ
    - 처음 뵙겠습니다
responses:
  utter_wellness/증상.불면:
  - text: 잠이 오지 않는 밤은 참 길지요.
  utter_wellness/감정.우울감:
  - text: 마음이 많이 가라앉아 있군요.
  utter_wellness/감정.자살충동:
  - text: 말해 줘서 고마워요.
"""


def train(folder: Path, config: str, **replaced: Path) -> Path:
    """A model trained on `NLU` with the pipeline of a file in `tests/configs/`."""
    text = (CONFIGS / config).read_text(encoding="utf-8")
    for name, value in replaced.items():
        text = text.replace(name, str(value))
    (folder / "config.yml").write_text(text, encoding="utf-8")
    (folder / "nlu.yml").write_text(NLU, encoding="utf-8")
    trained = rasa.model_training.train_nlu(str(folder / "config.yml"), str(folder / "nlu.yml"), str(folder / "models"))
    assert trained is not None
    return Path(trained)


def parse(model: Path, *texts: str) -> list[dict[str, Any]]:
    agent = Agent.load(str(model))
    return [asyncio.run(agent.parse_message(text)) for text in texts]


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("lexical"), "lexical.yml")


def test_a_category_is_a_response_key_of_the_retrieval_intent(lexical: Path) -> None:
    (parsed,) = parse(lexical, "밤새 잠을 못 잤어요")
    assert parsed["intent"]["name"] == "wellness"
    response = parsed["response_selector"]["wellness"]["response"]
    assert response["intent_response_key"] == "wellness/증상.불면"
    assert response["utter_action"] == "utter_wellness/증상.불면"
    assert response["responses"] == [{"text": "잠이 오지 않는 밤은 참 길지요."}]
    assert response["confidence"] == parsed["intent"]["confidence"]


def test_ordinary_intents_stand_beside_it(lexical: Path) -> None:
    (parsed,) = parse(lexical, "안녕하세요 반가워요")
    assert parsed["intent"]["name"] == "greet"
    assert {entry["name"] for entry in parsed["intent_ranking"]} == {"greet", "wellness"}


def test_what_is_like_nothing_is_less_sure_and_blank_text_breaks_nothing(lexical: Path) -> None:
    known, strange, blank = parse(lexical, "잠이 안 와요", "quantum chromodynamics lecture", "")
    assert strange["intent"]["confidence"] < known["intent"]["confidence"] - 0.2
    assert blank["text"] == ""


def test_a_crisis_category_is_found_like_any_other(lexical: Path) -> None:
    (parsed,) = parse(lexical, "그냥 오늘따라 문득 다 그만두고 싶다는 그런 마음이 드네요 살고 싶지 않은가")
    assert parsed["response_selector"]["wellness"]["response"]["intent_response_key"] == "wellness/감정.자살충동"
    assert parsed["intent"]["name"] == "wellness"


@pytest.mark.parametrize("kind", ["koelectra", "kobert"])
def test_an_encoder_is_fine_tuned_inside_rasa_train(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    model = train(tmp_path, "encoder.yml", ENCODER=request.getfixturevalue(kind), CHECKPOINTS=tmp_path / "checkpoints")
    texts = ("잠이 너무 안 와요", "우울해요", "안녕")
    first, second = parse(model, *texts), parse(model, *texts)
    assert [parsed["intent"]["name"] for parsed in first] == ["wellness", "wellness", "greet"]
    assert [parsed["intent_ranking"] for parsed in first] == [parsed["intent_ranking"] for parsed in second]
    with tarfile.open(model) as archive:
        assert {"trunk.onnx", "head.onnx"} <= {Path(name).name for name in archive.getnames()}


def test_labels_that_the_encoder_has_not_seen_do_not_make_it_distrusted(koelectra: Path, examples: Any, tmp_path: Path) -> None:
    encoder = EncoderSettings(source=str(koelectra), trained_layers=0, precision="fp32")
    alone = [f"{number}번째 낯선 이야기예요" for number in range(40)]
    trusted = []
    for texts, labels in [examples, ([*examples[0], *alone], [*examples[1], *alone])]:
        CategoryModel.train(list(texts), list(labels), tmp_path, encoder)
        trusted.append(json.loads((tmp_path / "category_model.json").read_text(encoding="utf-8"))["fusion"][2])
    assert trusted[1] > 0.3 * trusted[0]


def test_a_labels_last_text_is_not_held_out(koelectra: Path, examples: Any, tmp_path: Path) -> None:
    encoder = EncoderSettings(source=str(koelectra), trained_layers=0, precision="fp32")
    alone = [f"{number}번째 낯선 이야기예요" for number in range(40)]
    model = CategoryModel.train([*examples[0], *alone], [*examples[1], *alone], tmp_path, encoder)
    assert model.held_out is not None
    assert not set(model.held_out.texts.tolist()) & set(range(len(examples[0]), len(examples[0]) + len(alone)))
    assert model.labels[int(model.predict(alone[:1]).argmax())] == alone[0]


def test_what_is_known_from_elsewhere_is_learned_but_never_held_out(examples: Any, tmp_path: Path) -> None:
    texts, labels = examples
    strange = "오밤중에 눈이 말똥말똥해서 양을 센다"
    supporting = [(strange, labels[0]), (texts[0], labels[-1]), ("아무 말", "없는 범주")]
    alone = CategoryModel.train(texts, labels, tmp_path)
    helped = CategoryModel.train(texts, labels, tmp_path, supporting=supporting)
    column = helped.labels.index(labels[0])
    assert helped.predict([strange])[0, column] > alone.predict([strange])[0, column] + 0.1
    assert helped.labels == alone.labels
    assert helped.held_out is not None
    assert sorted(helped.held_out.texts) == list(range(len(texts)))
    assert np.abs(helped.predict(texts[:1]) - alone.predict(texts[:1])).max() < 0.3


def test_supporting_examples_of_known_categories_are_learned_inside_rasa_train(lexical: Path, tmp_path: Path) -> None:
    text = "오밤중에 양을 세고 있어"
    file = tmp_path / "known.csv"
    file.write_text(f"구분,유저,챗봇\n증상/불면,{text},\n없는/범주,아무 말,\n", encoding="utf-8")
    (alone,), (helped,) = parse(lexical, text), parse(train(tmp_path, "supporting.yml", KNOWN=file), text)
    assert helped["response_selector"]["wellness"]["response"]["intent_response_key"] == "wellness/증상.불면"
    assert helped["intent"]["confidence"] > alone["intent"]["confidence"] + 0.1


def test_supporting_examples_that_cannot_be_read_stop_training_with_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "known.csv"
    file.write_text("가,나\n1,2\n", encoding="utf-8")
    with pytest.raises(RasaException, match=r"known\.csv: the supporting examples can't be read"):
        train(tmp_path, "supporting.yml", KNOWN=file)


def test_equal_response_keys_of_two_intents_are_two_categories() -> None:
    paths = [category_path("faq/ask.name"), category_path("chitchat/ask.name")]
    levels = BackOff(paths, [0.5, 0.5]).levels(np.array([0.1, 0.9]))
    assert [(level.category, level.confidence) for level in levels] == [
        (("chitchat/ask",), 0.9),
        (("chitchat/ask", "name"), 0.9),
    ]


def test_a_full_stop_in_an_intents_name_is_no_step_of_a_path() -> None:
    assert category_path("ask.age") == ("ask.age",)
    assert category_path("wellness/감정.걱정") == ("wellness/감정", "걱정")


def test_the_classifier_needs_no_tokenizer_of_ours(tmp_path: Path) -> None:
    (parsed,) = parse(train(tmp_path, "beside_rasas_own.yml"), "잠이 안 와")
    assert parsed["response_selector"]["wellness"]["response"]["intent_response_key"] == "wellness/증상.불면"


def test_the_tokenizer_serves_rasas_own_classifiers(tmp_path: Path) -> None:
    (parsed,) = parse(train(tmp_path, "tokenizer_alone.yml"), "안녕하세요")
    assert parsed["intent"]["name"] == "greet"


def test_an_encoder_that_cannot_be_fetched_stops_training_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RasaException, match=r"^The encoder 'nobody/no-such-model' could not be fetched") as error:
        train(tmp_path, "encoder.yml", ENCODER=Path("nobody/no-such-model"), CHECKPOINTS=tmp_path)
    assert "\n" not in str(error.value)


def test_cross_validation_evaluates_the_categories(tmp_path: Path) -> None:
    (tmp_path / "nlu.yml").write_text(NLU, encoding="utf-8")
    command = ["test", "nlu", "--cross-validation", "--folds", "2", "--no-plot", "--no-errors", "--nlu", tmp_path / "nlu.yml"]
    command += ["--config", CONFIGS / "lexical.yml", "--out", tmp_path / "results"]
    root = CONFIGS.parent.parent
    subprocess.run([sys.executable, "-m", "rasa", *map(str, command)], cwd=root, check=True, capture_output=True)
    report = json.loads((tmp_path / "results" / "response_selection_report.json").read_text(encoding="utf-8"))
    assert report["accuracy"] > 0.5
    assert "wellness/증상.불면" in report
