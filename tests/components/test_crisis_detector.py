"""The detector, trained on the project's own examples (with words and letters alone, which is quick)."""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rasa.core.agent import Agent
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.model_training import train_nlu
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from components import morphemes
from components.crisis_detector import CrisisDetector, examples_of, train_model
from components.crisis_encoder import CrisisHead
from components.crisis_examples import CRISIS, EVERYDAY, KINDS, NONE, CrisisExample, CrisisExamplesError, read_examples
from components.crisis_lexicon import CrisisLexicon
from components.crisis_model import Calibration, CrisisEvidence, CrisisModel, Said, threshold_for, windows
from components.crisis_ngrams import NgramFeatures

ROOT = Path(__file__).parents[2]
CONFIG = CrisisDetector.get_default_config() | {"kinds_of_intents": {"wellness/증상.자살시도": "acted"}}
INTENTS = {
    "greet": ["안녕하세요", "반가워요", "좋은 아침이에요"],
    "goodbye": ["이만 갈게요", "다음에 또 올게요", "잘 자요"],
    "wellness/증상.불면": ["잠이 안 와요", "새벽까지 잠을 못 자요", "자다가 자꾸 깨요"],
    "wellness/증상.자살시도": ["작년에 죽으려고 했다가 살아났어요", "자살시도를 두 번 했습니다"],
    "wellness/배경.직장": ["회사 다니기가 힘들어요", "팀장님이 무서워요", "야근이 너무 많아요"],
}
RESPONSES = {"utter_crisis/thinking": [{"text": "말해 줘서 고마워요."}], "utter_greet": [{"text": "안녕하세요."}]}


@pytest.fixture(scope="module", autouse=True)
def _in_the_project() -> Iterator[None]:
    """The config's paths are those of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalModelStorage:
    return LocalModelStorage(tmp_path_factory.mktemp("crisis"))


@pytest.fixture(scope="module")
def trained(storage: LocalModelStorage) -> CrisisDetector:
    return train(storage, CONFIG)


def train(storage: LocalModelStorage, config: dict[str, object]) -> CrisisDetector:
    examples = [
        Message({"text": text, "intent": label.partition("/")[0], "intent_response_key": label if "/" in label else None})
        for label, texts in INTENTS.items()
        for text in texts
    ]
    detector = CrisisDetector.create(dict(config), storage, Resource("detector"), context())
    detector.train(TrainingData(examples, responses=RESPONSES))
    return detector


def context() -> ExecutionContext:
    return ExecutionContext(GraphSchema({}), "test")


def found(detector: CrisisDetector, text: str) -> Message:
    return detector.process([Message({"text": text})])[0]


def kind(detector: CrisisDetector, text: str) -> str:
    return str(found(detector, text).get(CRISIS)["kind"])


@pytest.mark.parametrize(
    ("text", "of_kind"),
    [
        ("요즘 계속 죽고 싶다는 생각만 해요", "thinking"),
        ("유서 다 써놨어요. 오늘 밤에 죽을 거예요", "plan"),
        ("방금 죽으려고 약을 한꺼번에 먹었어요", "acted"),
        ("손목을 또 그었어요", "acted"),
        ("친구가 자살하겠다고 문자를 보냈어요", "other_person"),
        ("그 인간을 죽여버리고 싶어요", "harm_others"),
    ],
)
def test_each_kind_of_risk_is_found(trained: CrisisDetector, text: str, of_kind: str) -> None:
    assert kind(trained, text) == of_kind


def test_a_wish_to_die_among_ordinary_sentences_is_found(trained: CrisisDetector) -> None:
    ordinary = "오늘 회사에서 혼났어요. 집에 왔는데 아무도 없네요. 씻고 누웠어요. "
    for text in (ordinary + "그냥 죽고 싶어요.", "죽고 싶어요. " + ordinary, ordinary * 5 + "죽고 싶어요. " + ordinary * 5):
        assert kind(trained, text) == "thinking"


@pytest.mark.parametrize(
    "text", ["배고파 죽겠다", "웃겨 죽는 줄 알았네ㅋㅋㅋ", "더워 죽겠어요 에어컨 좀", "이 집 떡볶이 죽여줘요"]
)
def test_hyperbole_is_not_a_crisis(trained: CrisisDetector, text: str) -> None:
    assert kind(trained, text) == NONE


@pytest.mark.parametrize("text", ["안녕하세요", "잠이 안 와요", "회사 가기 싫다", "오늘 날씨 좋네요", "", "ㅋㅋㅋ", "😀"])
def test_everyday_talk_is_not_a_crisis(trained: CrisisDetector, text: str) -> None:
    assert kind(trained, text) == NONE


@pytest.mark.parametrize(
    "text", ["자살예방 교육 듣고 왔어요", "비둘기가 무서워서 얼어붙었어요", "할머니가 작년에 돌아가셨어요"]
)
def test_talk_about_death_is_not_a_crisis(trained: CrisisDetector, text: str) -> None:
    assert kind(trained, text) == NONE


@pytest.mark.parametrize(
    "text",
    ["죽 고 싶 어 요", "죽.고.싶.어.요", "ㅈㅜㄱㄱㅗ ㅅㅣㅍㅇㅓㅇㅛ", "죽\u200b고 싶\u200b어요", "wnrrh tlvek", "죽♥고♥싶♥다"],
)
def test_tricks_of_spelling_hide_nothing(trained: CrisisDetector, text: str) -> None:
    assert kind(trained, text) == "thinking"


def test_a_risk_in_the_middle_of_a_long_message_is_found(trained: CrisisDetector) -> None:
    before = "오늘은 날씨가 좋아서 아침에 산책을 했어요. 점심은 김치찌개를 먹었고 커피도 한 잔 마셨습니다. " * 3
    after = "집에 와서 청소를 했더니 방이 깨끗해졌어요. 저녁에는 드라마를 보면서 귤을 까먹었습니다. " * 3
    assert kind(trained, before + after) == NONE
    assert kind(trained, before + "요즘 계속 죽고 싶다는 생각만 해요. " + after) == "thinking"


def test_a_crisis_is_annotated_as_a_retrieval_intent(trained: CrisisDetector) -> None:
    message = found(trained, "요즘 계속 죽고 싶다는 생각만 해요")
    crisis, selector = message.get(CRISIS), message.get("response_selector")["crisis"]
    assert message.get("intent") == {"name": "crisis", "confidence": crisis["score"]}
    assert set(crisis["scores"]) == set(KINDS)
    assert sum(crisis["scores"].values()) == pytest.approx(crisis["score"])
    assert selector["response"]["intent_response_key"] == "crisis/thinking"
    assert selector["response"]["utter_action"] == "utter_crisis/thinking"
    assert selector["response"]["responses"] == RESPONSES["utter_crisis/thinking"]
    assert "crisis" in message.as_dict(only_output_properties=True)


def test_a_message_without_risk_keeps_the_intent_it_has(trained: CrisisDetector) -> None:
    message = found(trained, "안녕하세요")
    assert message.get("intent") is None
    assert message.get(CRISIS)["kind"] == NONE


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=200))
def test_any_text_gets_a_probability(trained: CrisisDetector, text: str) -> None:
    assert 0 <= found(trained, text).get(CRISIS)["score"] <= 1


def test_a_reloaded_detector_says_the_same_and_imports_no_torch(trained: CrisisDetector, storage: LocalModelStorage) -> None:
    texts = ["죽고 싶어요", "안녕하세요", "잠이 안 와요"]
    reloaded = CrisisDetector.load(dict(CONFIG), storage, Resource("detector"), context())
    for text in texts:
        assert found(reloaded, text).get(CRISIS) == found(trained, text).get(CRISIS)
    with storage.read_from(Resource("detector")) as folder:
        code = (
            "import sys; from pathlib import Path; from components.crisis_model import CrisisModel;"
            f"CrisisModel.load(Path({str(folder)!r})).predict(['안녕']);"
            "assert not {'torch', 'transformers'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_crisis_has_the_intent_that_the_policy_answers_whatever_the_config_says(
    storage: LocalModelStorage, tmp_path: Path
) -> None:
    config = CONFIG | {"examples": [str(few_examples(tmp_path))], "intent": "emergency"}
    detector = CrisisDetector.create(config, storage, Resource("other intent"), context())
    detector.train(TrainingData([]))
    message = found(detector, "죽고 싶어요")
    assert message.get("intent")["name"] == "crisis"
    assert list(message.get("response_selector")) == ["all_retrieval_intents", "crisis"]


def test_loading_leaves_nothing_to_be_loaded_by_the_first_message(trained: CrisisDetector, storage: LocalModelStorage) -> None:
    morphemes.morphemes.cache_clear()
    morphemes._kiwi.cache_clear()
    CrisisDetector.load(dict(CONFIG), storage, Resource("detector"), context())
    assert morphemes._kiwi.cache_info().currsize == 1


def test_the_classifiers_behind_it_leave_a_crisis_alone_and_do_not_learn_it(tmp_path: Path) -> None:
    config = (ROOT / "tests" / "configs" / "crisis_detector.yml").read_text(encoding="utf-8")
    (tmp_path / "config.yml").write_text(config.replace("EXAMPLES", str(few_examples(tmp_path))), encoding="utf-8")
    nlu = [
        {"intent": intent, "examples": "".join(f"- {text}\n" for text in texts)}
        for intent, texts in {**INTENTS, "crisis": ["죽고 싶어요", "그만 살고 싶어요"]}.items()
    ]
    (tmp_path / "nlu.yml").write_text(yaml.safe_dump({"version": "3.1", "nlu": nlu}, allow_unicode=True), encoding="utf-8")
    model = train_nlu(str(tmp_path / "config.yml"), str(tmp_path / "nlu.yml"), str(tmp_path / "models"))
    agent = Agent.load(str(model))
    crisis, calm = (asyncio.run(agent.parse_message(text)) for text in ("죽고 싶어요", "잠이 안 와요"))
    assert crisis["intent"] == crisis["intent_ranking"][0]
    assert crisis["intent"]["name"] == "crisis"
    assert crisis["response_selector"]["crisis"]["response"]["intent_response_key"] == "crisis/thinking"
    assert set(crisis["response_selector"]["all_retrieval_intents"]) == {"crisis", "wellness"}
    assert crisis["category_levels"]
    assert "crisis" not in {entry["name"] for entry in calm["intent_ranking"]}
    assert calm["crisis"]["kind"] == NONE


def few_examples(folder: Path) -> Path:
    """A file with every tenth of the project's examples."""
    rows = read_examples(ROOT / "data" / "crisis_utterances.csv")[::10]
    with (folder / "few.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("utterance", "kind", "note"), *((row.text, row.kind, row.note) for row in rows)])
    return folder / "few.csv"


def test_examples_of_ordinary_intents_are_all_harmless_and_of_retrieval_intents_some(tmp_path: Path) -> None:
    config = CONFIG | {"examples": [str(few_examples(tmp_path))], "everyday": 2}
    intents = [(text, intent) for intent, texts in INTENTS.items() for text in texts]
    examples = {example.text: example for example in examples_of(config, [*intents, ("죽고 싶어요", "crisis")])}
    assert {text for text in [*INTENTS["greet"], *INTENTS["goodbye"]] if examples[text].note == EVERYDAY} == {
        *INTENTS["greet"], *INTENTS["goodbye"]
    }  # fmt: skip
    retrieval = [*INTENTS["wellness/증상.불면"], *INTENTS["wellness/배경.직장"]]
    assert sum(text in examples for text in retrieval) == 2
    assert examples["자살시도를 두 번 했습니다"].kind == "acted"


def test_a_category_below_one_of_a_kind_is_of_that_kind(tmp_path: Path) -> None:
    config = CONFIG | {"examples": [str(few_examples(tmp_path))]}
    below, beside = ("세 번째로 살아났습니다", "wellness/증상.자살시도.반복"), ("잠이 옵니다", "wellness/증상.자살")
    kinds = {example.text: example.kind for example in examples_of(config, [below, beside])}
    assert (kinds[below[0]], kinds[beside[0]]) == ("acted", NONE)


def test_a_plain_wish_to_die_in_another_category_is_not_learned_as_harmless(tmp_path: Path) -> None:
    examples = read_examples(few_examples(tmp_path))
    everyday = [CrisisExample(f"{number}번째로 죽고 싶다는 생각뿐이에요", NONE, EVERYDAY) for number in range(200)]
    lexicon = CrisisLexicon.read(Path(CONFIG["lexicon"]))
    model = CrisisModel.train([*examples, *everyday], lexicon, tmp_path)
    assert model.evidence is not None
    assert not {example.text for example in everyday} & {example.text for example in model.evidence.examples}
    assert 1 - model.predict(["네 번째로 죽고 싶다는 생각뿐이에요"])[0, -1] > model.threshold


def test_examples_that_leave_nothing_to_calibrate_on_are_refused_with_a_sentence(tmp_path: Path) -> None:
    examples = [CrisisExample(f"{number}월에는 이사를 합니다", NONE) for number in range(60)]
    with pytest.raises(CrisisExamplesError, match="give it more of both"):
        CrisisModel.train([*examples, CrisisExample("죽고 싶어요", "thinking")], CrisisLexicon({}, {}), tmp_path)


def test_an_encoder_is_exported_and_served_without_torch(koelectra: Path, storage: LocalModelStorage, tmp_path: Path) -> None:
    config = CONFIG | {"examples": [str(few_examples(tmp_path))], "encoder": str(koelectra)}
    detector = CrisisDetector.create(config, storage, Resource("small"), context())
    detector.train(TrainingData([]))
    reloaded = CrisisDetector.load(config, storage, Resource("small"), context())
    assert found(reloaded, "죽고 싶어요").get(CRISIS) == found(detector, "죽고 싶어요").get(CRISIS)
    with pytest.raises(RasaException, match="no/such/encoder"):
        CrisisDetector.create(config | {"encoder": "no/such/encoder"}, storage, Resource("other"), context()).train(
            TrainingData([])
        )


def test_an_encoder_that_was_made_for_crises_brings_its_head(
    koelectra: Path, storage: LocalModelStorage, tmp_path: Path
) -> None:
    encoder = Path(shutil.copytree(koelectra, tmp_path / "encoder"))
    size = yaml.safe_load((encoder / "config.json").read_text())["hidden_size"]
    head = CrisisHead(np.full((6, size), 0.5, dtype=np.float32), np.arange(6, dtype=np.float32))
    head.save(encoder)
    config = CONFIG | {"examples": [str(few_examples(tmp_path))], "encoder": str(encoder)}
    CrisisDetector.create(config, storage, Resource("made"), context()).train(TrainingData([]))
    with storage.read_from(Resource("made")) as folder:
        used = CrisisHead.load(folder)
    assert used is not None
    np.testing.assert_array_equal(used.weights, head.weights)
    np.testing.assert_array_equal(used.biases, head.biases)


def test_a_head_learns_to_tell_vectors_apart_and_never_guesses_what_it_has_not_seen() -> None:
    random = np.random.default_rng(0)
    labels = np.array([0, 5] * 50)
    vectors = random.normal(size=(100, 8)).astype(np.float32) + 4 * (labels[:, None] == 5)
    logits = CrisisHead.learn(vectors, labels)(vectors)
    assert logits.shape == (100, 6)
    assert (logits.argmax(axis=1) == labels).all()


@given(st.floats(0, 6), st.integers(0, 4), st.lists(st.floats(-1, 2), min_size=6, max_size=6))
def test_the_lexicon_can_only_raise_the_score(weight: float, kind_index: int, scores: list[float]) -> None:
    calibration = Calibration(2.0, 0.5, weight, [0.0] * 6)
    hits = np.zeros((2, len(KINDS)), dtype=np.float32)
    hits[1, kind_index] = 1
    without, with_hit = 1 - calibration(Said(np.array([scores, scores]), np.array([scores, scores]), hits))[:, -1]
    assert with_hit >= without - 1e-12


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("자1살 생각이 자꾸 나요", "자살 생각이 자꾸 나요"),
        ("죽1고싶다", "죽고싶다"),
        ("자x해 또 함", "자해 또 함"),
        ("동생이 유s서 썼대", "동생이 유서 썼대"),
        ("여자3살 남자5살 키워요", "여자3살 남자5살 키워요"),
        ("혼자 1살 차이", "혼자 1살 차이"),
        ("여자2살이에요", "여자2살이에요"),
        ("자１살 생각", "자살 생각"),
        (unicodedata.normalize("NFD", "자1살 생각"), "자살 생각"),
        ("Kill  myself", "자살하고 싶다"),
        ("I wanna die.", "i 죽고 싶다"),
    ],
)
def test_a_digit_or_latin_letter_inside_hides_no_word(written: str, read: str) -> None:
    assert CrisisLexicon.read(Path(CONFIG["lexicon"])).as_read(written) == read


def test_what_the_lexicon_weighs_is_learned() -> None:
    """Words and encoder know nothing here; the lexicon alone tells."""
    labels = np.array([0, 5] * 50)
    hits = np.zeros((100, len(KINDS)), dtype=np.float32)
    hits[::2, 0] = 1
    nothing = np.zeros((100, 6), dtype=np.float32)
    assert Calibration.learn(Said(nothing, nothing, hits), labels).raised > 3


def test_what_the_encoder_is_trusted_is_learned() -> None:
    labels = np.random.default_rng(0).integers(0, 6, 300)
    nothing, hits = np.zeros((300, 6), dtype=np.float32), np.zeros((300, len(KINDS)), dtype=np.float32)
    knows = np.eye(6, dtype=np.float32)[labels]
    assert Calibration.learn(Said(nothing, knows, hits), labels).trust > 5
    assert Calibration.learn(Said(knows, np.random.default_rng(1).normal(size=(300, 6)), hits), labels).trust < 1


def test_a_lower_false_alarm_limit_only_raises_the_threshold() -> None:
    examples = [CrisisExample(str(n), "thinking") for n in range(50)] + [CrisisExample("", NONE, EVERYDAY)] * 50
    risk = np.concatenate([np.linspace(0.2, 0.9, 50), np.linspace(0.0, 0.5, 50)])
    probabilities = np.zeros((100, len(KINDS) + 1))
    probabilities[:, 0], probabilities[:, -1] = risk, 1 - risk
    evidence = CrisisEvidence(examples, probabilities)
    for_recall = threshold_for(evidence, 0.9, 1.0)
    assert np.mean(risk[:50] >= for_recall) >= 0.9
    bounded = threshold_for(evidence, 0.9, 0.02)
    assert bounded > for_recall
    assert threshold_for(evidence, 0.0, 1.0) == 0.9
    assert np.mean(risk[50:] >= bounded) <= 0.02


def test_training_says_when_everyday_examples_cost_much_of_the_risk_and_names_their_intents(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another file's risky lines stand in a category that is no kind of risk, as in people's own data."""
    examples = read_examples(ROOT / "data" / "crisis_utterances.csv")
    unmapped = [(example.text, "wellness/감정.절망") for example in examples[5::10] if example.kind != NONE]
    harmless = [(f"{number}층 카페에서 친구를 만나요", "wellness/일상.약속") for number in range(200)]
    config = CONFIG | {"examples": [str(few_examples(tmp_path))]}
    train_model(config, harmless, tmp_path)
    assert not caplog.records
    train_model(config, [*harmless, *unmapped], tmp_path)
    (said,) = caplog.messages
    assert re.search(r"finds only \d+% of the held-out examples with risk, and 97% are wanted", said)
    assert "wellness/감정.절망" in said
    assert "kinds_of_intents" in said
    assert not any(text in said for text, _ in unmapped)


WORDS = ["죽고 싶어요", "그만 살고 싶다", "잠이 안 와요", "배고파 죽겠다"]


def test_the_words_of_a_text_tell_its_label_also_of_two_alone() -> None:
    labels = np.array([0, 0, 5, 5])
    model = NgramFeatures.of(WORDS).learn(np.arange(4), labels, 6)
    scores = model(WORDS)
    assert scores.shape == (4, 6)
    assert scores.argmax(axis=1).tolist() == labels.tolist()
    several = NgramFeatures.of(WORDS).learn(np.arange(4), np.array([0, 1, 5, 5]), 6)
    assert several(WORDS).argmax(axis=1).tolist() == [0, 1, 5, 5]


def test_what_was_not_to_be_learned_leaves_no_trace() -> None:
    features = NgramFeatures.of([*WORDS, "아무도 모르는 말"])
    model = features.learn(np.arange(4), np.array([0, 0, 5, 5]), 6)
    np.testing.assert_allclose(model(["ㅁㅁㅁ"]), model(["ㅂㅂㅂ"]), atol=1e-6)
    assert len(model.buckets) < np.unique(features.values.indices).size


def test_letters_that_no_training_text_has_make_a_score_less_sure() -> None:
    model = NgramFeatures.of(WORDS).learn(np.arange(4), np.array([0, 0, 5, 5]), 6)
    plain, strange, nothing = model(["죽고 싶어요", "죽고 싶어요 qwxzv", "qwxzv"])[:, 0]
    assert nothing < strange < plain


@given(st.text(max_size=400))
def test_every_word_of_a_long_message_is_in_a_window(text: str) -> None:
    read = windows(text)
    assert read[0] == text
    words = {word for word in text.split() if len(word) < 40}
    assert all(any(word in window for window in read) for word in words)
    assert all(len(window) <= 80 for window in read[1:])


def test_about_a_tenth_of_the_examples_is_held_out(trained: CrisisDetector) -> None:
    model = trained._model
    assert model is not None
    assert model.evidence is not None
    examples = sum(len(read_examples(Path(file))) for file in CONFIG["examples"])
    assert 0.08 < len(model.evidence.examples) / examples < 0.13


def test_examples_or_a_lexicon_that_cannot_be_used_are_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CrisisExamplesError, match="can't be read"):
        read_examples(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_text("utterance,kind,note\n죽고 싶어요,sad,\n", encoding="utf-8")
    with pytest.raises(CrisisExamplesError, match="the kind 'sad'"):
        read_examples(tmp_path / "bad.csv")
    (tmp_path / "bad.yml").write_text("patterns: {sad: [가]}", encoding="utf-8")
    with pytest.raises(CrisisExamplesError, match="no kind of risk 'sad'"):
        CrisisLexicon.read(tmp_path / "bad.yml")
    (tmp_path / "bad.yml").write_text("patterns: {plan: ['(']}", encoding="utf-8")
    with pytest.raises(CrisisExamplesError, match="can't be used"):
        CrisisLexicon.read(tmp_path / "bad.yml")
