"""Both servers as they are served, spoken to over REST: wording, variation, generation, and an action server that fails."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest
import yaml
from servers import MODEL, ROOT, Conversation, endpoints, free_port, running

UNSURE = "양자역학 슈뢰딩거 방정식 풀이"
_senders = count()


class Servers(NamedTuple):
    port: int
    actions_port: int
    rasa: subprocess.Popen[bytes]
    actions: subprocess.Popen[bytes]
    folder: Path

    def conversation(self) -> Conversation:
        return Conversation(self.port, f"person-{next(_senders)}")


@pytest.fixture(scope="module")
def generation(kogpt2: Path, koelectra: Path, pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A settings file that names a generator which has learned `pairs` by heart."""
    from training.generator import GeneratorSettings, finetune_generator

    folder = tmp_path_factory.mktemp("generation")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = GeneratorSettings(
            source=str(kogpt2), encoder=str(koelectra), epochs=20, patience=20, learning_rate=5e-3, batch_size=8
        )
        learned = [*pairs, (UNSURE, pairs[1][1])]
        finetune_generator(settings, learned * 20, folder / "generator")
    file = folder / "generation.yml"
    content = {"model": str(folder / "generator"), "decoding": {"method": "greedy"}, "ranking": {"threshold": 0}}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def servers(generation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    port, actions_port = free_port(), free_port()
    actions = ["rasa_sdk", "--actions", "bot.actions", "--port", str(actions_port)]
    rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(MODEL)]
    rasa += ["--endpoints", str(endpoints(folder, actions_port)), "--credentials", str(ROOT / "credentials.yml")]
    with (
        running(rasa, f"http://127.0.0.1:{port}/webhooks/health/", folder / "rasa.log") as server,
        running(
            actions, f"http://127.0.0.1:{actions_port}/health", folder / "actions.log",
            SANIC_HOST="127.0.0.1", MAEUM_GENERATION=str(generation),
        ) as action_server,
    ):  # fmt: skip
        yield Servers(port, actions_port, server, action_server, folder)


@pytest.fixture(scope="module")
def responses() -> dict[str, list[str]]:
    """The texts of every response the bot has, by name."""
    files = [ROOT / "domain.yml", ROOT / "data" / "generated" / "responses.yml"]
    loaded = [yaml.safe_load(file.read_text(encoding="utf-8"))["responses"] for file in files]
    return {name: [text["text"] for text in texts] for part in loaded for name, texts in part.items()}


@pytest.mark.parametrize("first", ["안녕하세요", "밤새 잠이 안 와서 너무 힘들어요", UNSURE, "도움말"])
def test_the_first_answer_brings_the_notice_whatever_it_is(
    servers: Servers, responses: dict[str, list[str]], first: str
) -> None:
    conversation = servers.conversation()
    _, notice = conversation.say(first)
    assert [notice] == responses["utter_notice"]
    assert notice not in conversation.say("고마워요")


def test_the_same_message_gets_another_answer_each_time(servers: Servers) -> None:
    conversation = servers.conversation()
    conversation.say("안녕하세요")
    answers = [conversation.say("남편이랑 또 크게 싸웠어요")[0] for _ in range(6)]
    assert all(first != second for first, second in pairwise(answers))


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("죽고 싶어요", "109"), ("자살 생각이 자꾸 나요", "109"), ("어제 손목을 그었어요", "119"),
        ("지난주에 자살을 시도했어요", "119"), ("그 사람을 죽여 버리고 싶어요", "112"),
    ],
)  # fmt: skip
def test_a_crisis_gets_the_written_reply_with_a_number_every_time(
    servers: Servers, responses: dict[str, list[str]], message: str, number: str
) -> None:
    written = {text for name, texts in responses.items() if name.startswith("utter_crisis_") for text in texts}
    conversation = servers.conversation()
    conversation.say("안녕하세요")
    for _ in range(3):
        (answer,) = conversation.say(message)
        assert answer in written
        assert number in answer


def test_what_a_message_types_is_not_executed_as_a_template(servers: Servers) -> None:
    conversation = servers.conversation()
    assert conversation.say("{sender_id} {0} 잠이 안 와요")
    assert conversation.say("😀" * 300)
    assert conversation.say("ㅠ")


def test_an_unsure_turn_is_answered_by_the_generator(
    servers: Servers, responses: dict[str, list[str]], pairs: list[tuple[str, str]]
) -> None:
    conversation = servers.conversation()
    answer = conversation.say(UNSURE)[0]
    assert answer not in responses["utter_open_question"]
    assert answer.rstrip(".?") in " ".join(answer for _, answer in pairs)


def test_generation_too_slow_or_broken_leaves_the_turn_to_the_open_question(generation: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load(generation.read_text(encoding="utf-8"))
    cases = {
        "slow": {**settings, "timeout_seconds": 0.000001},
        "none": {**settings, "model": str(tmp_path / "nowhere")},
        "speechless": {**settings, "decoding": {"method": "greedy", "max_length": 1, "min_length": 0}},
    }
    for name, content in cases.items():
        file, log, port = tmp_path / f"{name}.yml", tmp_path / f"{name}.log", free_port()
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        command = ["rasa_sdk", "--actions", "bot.actions", "--port", str(port)]
        with running(command, f"http://127.0.0.1:{port}/health", log, MAEUM_GENERATION=str(file), SANIC_HOST="127.0.0.1"):
            call = {"next_action": "action_generate_reply", "sender_id": "a", "tracker": _tracker(UNSURE), "domain": {}}
            result = httpx.post(f"http://127.0.0.1:{port}/webhook", json=call, timeout=10).json()
        assert result["responses"] == []
        assert result["events"][-1] | {"timestamp": None} == {
            "event": "slot", "name": "reply_generated", "value": False, "timestamp": None
        }  # fmt: skip
        assert "No generat" in log.read_text(encoding="utf-8"), "the log says why"


def test_two_unsure_turns_running_get_two_kinds_of_question(servers: Servers, responses: dict[str, list[str]]) -> None:
    conversation = servers.conversation()
    servers.actions.send_signal(signal.SIGSTOP)
    try:
        assert conversation.say(UNSURE)[0] in responses["utter_open_question"]
        assert conversation.say("ㅁㄴㅇㄹ")[0] in responses["utter_still_unsure"]
        assert conversation.say("아니")[0] in responses["utter_deny"]
    finally:
        servers.actions.send_signal(signal.SIGCONT)


def test_an_action_server_that_hangs_costs_a_person_five_seconds_at_most(
    servers: Servers, responses: dict[str, list[str]]
) -> None:
    conversation = servers.conversation()
    servers.actions.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    try:
        answer = conversation.say(UNSURE)[0]
    finally:
        servers.actions.send_signal(signal.SIGCONT)
    assert answer in responses["utter_open_question"]
    assert time.monotonic() - started < 10


def test_serving_never_loads_torch(servers: Servers) -> None:
    for process in (servers.rasa, servers.actions):
        loaded = {Path(entry.path).name for entry in psutil.Process(process.pid).memory_maps()}
        assert loaded, "the kernel says what is loaded"
        assert not {name for name in loaded if name.startswith("libtorch")}


def test_the_rasa_server_stays_within_its_memory(servers: Servers) -> None:
    assert psutil.Process(servers.rasa.pid).memory_info().rss < 1.2 * 2**30


def test_an_action_server_that_is_down_leaves_nobody_without_an_answer(
    servers: Servers, responses: dict[str, list[str]]
) -> None:
    servers.actions.kill()
    servers.actions.wait()
    conversation = servers.conversation()
    assert conversation.say(UNSURE)[0] in responses["utter_open_question"]
    assert conversation.say("밤마다 잠이 안 와요")


def _tracker(text: str) -> dict[str, object]:
    message = {"text": text, "intent": {"name": "nlu_fallback", "confidence": 1.0}, "entities": [], "intent_ranking": []}
    return {"sender_id": "a", "slots": {}, "latest_message": message, "events": [], "paused": False, "followup_action": None,
            "active_loop": {}, "latest_action_name": "action_listen", "latest_input_channel": "rest"}  # fmt: skip
