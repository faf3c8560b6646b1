from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.crisis_answers import CUES_FILE, Answer, AnswerReader, load_cues

READER = AnswerReader(load_cues(), answer_threshold=0.25)

PLAINLY_SAFE = [
    "안전해요", "안전합니다", "안전해", "나 안전해", "저 안전해요", "네 안전해요", "네, 지금은 안전해요", "응 안전",
    "응 안전해", "네 안전요", "ㅇㅇ 안전함", "안전함", "안전함요", "안전하다", "안전해여", "안전해용", "안전해욤", "안전행",
    "안전행 ㅎㅎ", "안저내요", "안저네요 지금은", "안전헤요", "안젼해요", "안전함다", "안전합니당", "지금 안전합니다",
    "지금은 안전해", "저는 지금 안전해요", "저 지금 안전해요ㅠㅠ", "이제 안전해졌어요", "이제는 안전합니다", "이젠 안전해",
    "다행히 안전해요", "네 정말 안전해요", "진짜 안전해 걱정 마", "안전하니까 걱정 마세요", "안전하다니까요", "네 안전하죠",
    "안전한 곳에 있어요", "이제 안전한 곳에 있어요", "지금은 안전한 데 있어", "안전한 데로 왔어요", "안전한 곳으로 옮겼습니다",
    "안전한 상태예요", "여기는 안전한 곳이에요", "안전한 거 맞아요", "안전해요 다친 데 없어요", "안전하게 있습니다",
    "안전하게 집에 도착했어요", "집에 들어와서 안전해요", "집에 있어서 안전해요", "밖으로 나와서 지금은 안전해요",
    "엄마랑 같이 있어서 안전합니다", "친구가 옆에 있어서 안전해요", "언니가 와서 이제 안전해", "경찰이 와서 이제 안전해요",
    "병원에 와 있어서 안전합니다", "응급실에서 치료받고 이제 괜찮아요", "109에 전화하고 나서 이제 괜찮아졌어요",
    "119에 전화했어요. 이제 안전해요", "그 사람이랑 떨어져 있어서 안전합니다", "지금은 괜찮아요", "지금은 괜찮아",
    "이제 괜찮아요", "이제 좀 괜찮아졌어요", "응 지금은 괜찮음", "이제 괜찬아요", "지금은 괜춘",
    "아까보다 훨씬 괜찮아요", "이제 진정됐어요", "위험하지 않아요", "지금은 안 위험해요", "위험한 상황 아니에요",
    "위험한 생각은 지나갔어요", "이제 그런 생각 안 해요", "지금은 무사해요", "무사히 집에 왔어요", "한고비 넘겼어요",
    "다친 데 없이 안전해요", "걱정해 줘서 고마워요 안전합니다", "이제 안전해요 고마워요", "그분은 안전해요",
    "동생은 이제 안전해요", "친구는 무사하대요", "걔 지금 괜찮대", "아이는 지금 안전해요 제가 옆에 있어요",
    "위험한 건 다 치웠어요 이제 안전해요", "이제 안전합니더", "안전해유", "네 안전하게 떨어져 있어요",
    "지금 집이에요 안전해요", "지금 엄마랑 있어서 안전해요",
]  # fmt: skip
# Denied, sarcastic, doubtful, conditional, past, asked, quoted, half a sentence of another kind.
NOT_PLAINLY_SAFE = [
    "안전하겠냐", "안전하겠어", "안전하겠니", "안전하겠다", "안전하겠죠 뭐", "안전하겠네요", "퍽이나 안전하겠다",
    "참 안전하겠네요", "잘도 안전하겠다", "퍽이나 안전해요", "참 안전하네", "참도 안전합니다", "어련히 안전하겠어",
    "안전하긴 뭐가 안전해", "안전하긴 개뿔", "안전하기는 무슨", "안전하긴 해요", "안전은 무슨", "안전은 개뿔", "안전은커녕",
    "안전 같은 소리 하네", "안전이 어딨어", "안전이고 뭐고", "뭐가 안전해", "뭐가 안전하다는 거예요", "어디가 안전해요",
    "어떻게 안전해", "누가 안전하대", "누가 안전하다고 그래", "안전하다 느낀 적이 없어요", "안전하다고 느껴 본 적 없어",
    "안전해본 적이 없어요", "안전한 적 없어요", "안전한 데 없어요", "안전한 데가 어딨어요", "안전한 곳이 있긴 한가요",
    "안전한 곳 없어", "안전한 집이 아니에요", "언제 안전한 적 있었나", "한 번도 안전한 적 없었어", "안전한 게 뭔데",
    "안전한 게 뭐예요", "안전했으면 좋겠다", "안전했으면", "안전하면 좋겠어요", "안전하면 뭐해", "안전하면 내가 이러겠어",
    "안전했어요", "어제까진 안전했어요", "안전했었는데", "안전할 수가 있나", "안전할 수 있을까요", "안전할 리가",
    "안전할 리가 없잖아", "안전할지도 몰라요", "안전할까", "안전한가", "안전한가요", "안전한지 모르겠어",
    "안전한지 아닌지 모르겠어요", "안전한 것 같아요", "안전한 것 같기도 하고", "안전한 듯", "안전한 척하는 거예요",
    "안전하다고 해 두죠", "안전하다고 하면 믿을 거예요", "안전하다고 말해야 해요", "안전하다고 하래요",
    "안전하다고 거짓말했어요", "경찰이 안전하다고 했어요", "안전하다고 할게요", "'안전해요'라고 하면 되죠",
    "안전해요라고 하면 끝나요", "안전하다고 치자", "안전해야 하나요", "안전해야지", "안전해지고 싶어요", "안전해지면 말할게요",
    "안전해질 수 있을까", "안전해 보여요", "안전해 보이나요", "안전해도 살기 싫어요", "안전해서 뭐해", "안전하든 말든",
    "안전하나 마나", "안전 따위 필요 없어", "안전 따윈 없어요", "안전이라곤 없어", "나만 안전해", "나만 빼고 다 안전해요",
    "나만 없으면 다 안전해요", "내가 없어야 다들 안전해", "몸만 안전해요", "몸은 안전한데 마음이 죽겠어요",
    "안전해요 지금은 근데 모르겠어요", "안전해요 아직은", "아직은 안전해요", "안전한데 무서워요", "안전하지만 괴로워요",
    "안전하지가 않아", "안 안전해", "하나도 안전 안 해", "안전해요?", "안전해?", "네 안전해요?", "안전하냐고요", "안전하냐니",
    "안전하라고요", "안전하세요", "안전할게요", "안전하게 있을게요", "안전하게 죽고 싶어요", "안전하게 떠날게요",
    "안전한 방법 알려줘", "안전한 데로 가고 있어요", "안전한 곳에 있고 싶어요", "안전한 곳에 있으면 뭐해요",
    "안전한 곳에 있었어요", "안전한 곳에 있어야 하는데", "괜찮을 리가", "괜찮을 리가 있나요", "괜찮을 수가 없어요",
    "괜찮겠어요", "괜찮겠냐", "안전할 줄 알았죠", "괜찮긴 뭐가 괜찮아", "괜찮기는 개뿔", "괜찮은 척하는 거예요", "괜찮은 척",
    "괜찮은 적이 없어요", "괜찮아야 하는데", "괜찮아 보여요", "괜찮아지고 싶어", "괜찮아지겠죠", "괜찮았으면 좋겠어요",
    "괜찮았어요", "이제 괜찮을까요", "이제 괜찮은 건지", "이제 괜찮아질까", "지금은 괜찮은 척해요",
    "지금은 괜찮은데 밤이 무서워요", "이제 괜찮아요 다 끝났어요", "이제 다 괜찮아질 거예요", "정말 괜찮겠어",
    "네 괜찮다고 해 두죠", "네네 안전하다고요", "정말 괜찮아요", "네 괜찮아요 됐어요", "네?", "응?",
    "어？", "그래?", "무사하겠어요", "무사할까요",
    "무사했으면 좋겠어요", "진정됐으면 좋겠어요", "진정이 안 돼요", "위험하지 않을까요", "위험하지 않은 게 아니에요",
    "위험하지 않다고는 못 해요", "그런 생각 안 하겠어요", "그런 생각 안 하면 뭐해", "기분이 가라앉았어요",
    "마음이 가라앉았어요", "혼자 있어서 안전해요", "약 먹어서 괜찮아요", "네 안전 같은 건 없어요",
    "그쪽은 안전해요 여기는 아니고",
]  # fmt: skip
IN_DANGER = [
    "아니요 안전하지 않아요", "안전하다고 말 못 하겠어요", "안전하지가 않아", "나 안 안전해",
    "안전한 데가 없어요", "안전한 데 없어요",
    "안전하긴 뭐가 안전해", "안전하겠냐", "퍽이나 안전하겠다", "안전할 리가 없잖아", "안전할 수가 있나",
    "안전하다 느낀 적이 없어요", "안전해본 적이 없어요", "괜찮을 리가", "괜찮은 척하는 거예요", "괜찮긴 뭐가 괜찮아",
    "뭐가 안전해", "안전은커녕", "안전 ㄴㄴ",
    "죽을 것 같아요", "죽을 거예요", "자해했어요", "자해하고 있어요", "자살할 거예요", "무서워요",
    "무섭네요", "너무 무섭고 떨려요", "위험한 물건이 옆에 있어요", "위험해요", "안 죽고 싶은데 죽을 것 같아",
    "안 죽을 수가 없어요", "자살 안 하면 안 될 것 같아", "자살 생각 없어질 줄 알았는데 또 나요",
]  # fmt: skip
DANGER_DENIED = [
    "자해 안 했어요", "자해는 안 해요", "자살 생각 없어요", "죽을 생각은 없어요", "안 죽을게요", "위험한 건 다 치웠어요",
    "죽을 마음 없어요",
]  # fmt: skip
CALLING = [
    "109에 전화해 볼게요", "119에 전화해 볼게요", "1577-0199에 전화해 볼게요", "1388에 전화해 볼게요", "109에 전화할게요",
    "109에 전화할게", "전화할게요", "전화해볼께요", "전화 걸어볼게요", "지금 109에 전화하고 있어요", "전화하는 중이에요",
    "109에 전화했어요", "119에 전화했습니다", "109에 전화 걸었어요", "109 전화해 봤어요", "109에 연락할게요",
    "109에 연락해 볼게", "112에 신고할게요", "신고했어요", "신고하고 있어요", "신고하겠습니다", "전화하겠습니다",
    "네 전화할게요", "응 전화해볼게", "네, 109에 전화해 볼게요", "병원 가는 중이에요", "병원에 갈게요", "병원 왔어요",
    "응급실 가고 있어요", "응급실로 가는 중이에요", "응급실에 도착했어요", "109에 전화하면 뭐라고 해요", "109에 전화해도 돼요?",
    "109에 전화할까요", "전화할래요",
]  # fmt: skip
# Refused, in vain, long ago, or told by others.
NOT_CALLING = [
    "109에 전화하기 싫어요", "109에 전화해도 소용없어요", "119에 전화하지 마세요", "109에 연락하고 싶지 않아",
    "신고했는데 경찰이 안 와요", "전화했는데 안 받아요", "109에 전화했는데 안 받아요", "109에 전화 안 할래요",
    "109에 전화 못 하겠어요", "109 전화 안 받던데요", "109 전화해 봤자야", "109에 전화해 봤자 똑같아요",
    "109에 전화하면 뭐해요", "전화해 봤는데 소용없었어요", "전화해 봤자 똑같은 말만 해요", "전화했어요 근데 안 받아요",
    "전화 걸었는데 통화중이에요", "전화 걸었는데 끊겼어요", "109에 전화했는데 계속 대기만 해요", "109에 전화하는 게 두려워요",
    "109에 전화하기 겁나요", "109에 전화하기가 부끄러워요", "109에 전화할 힘도 없어요", "109에 전화할까 말까",
    "112에 신고하지 말아 주세요", "신고했다가 보복당하면 어떡해요", "신고했는데 아무도 안 왔어요", "신고했지만 소용없었어요",
    "신고할게요 그런다고 뭐가 달라져요 소용없지", "병원 가려면 돈이 없어요", "병원에 가는 건 싫어요",
    "병원 갈게요 소리 좀 하지 마", "응급실로 가기 싫어요", "응급실 왔는데 안 받아줘요", "119에 전화했는데 거절당했어요",
    "예전에 109에 전화했는데 별로였어요", "109에 다시는 전화 안 해요", "소용없어요 109에 전화해도", "왜 자꾸 109에 전화하래요",
    "109에 전화하라는 말 좀 그만해요", "전화하겠냐고요", "1388에 연락하기 귀찮아", "1577-0199에 전화해도 도움이 안 돼요",
    "전화는 해봤어요 도움 안 됐어요", "119 전화하지마", "112에 연락 못 해요",
]  # fmt: skip
KEEP_TALKING = [
    "더 이야기하고 싶어요", "더 이야기하고 싶어", "더 얘기하고 싶어요", "이야기하고 싶어요", "조금 더 얘기해도 돼요?",
    "얘기 좀 들어줘", "그냥 얘기 좀 들어줘", "얘기 좀 더 하자", "계속 이야기하고 싶어", "전화 말고 여기서 얘기하고 싶어요",
    "전화는 싫고 그냥 여기서 말할래요", "전화하기 싫어요 그냥 얘기하고 싶어요", "제 말 좀 더 들어주실래요",
    "내 이야기 들어줄 거야?", "얘기 들어줘요", "얘기할래", "말할래요", "더 말하고 싶어요", "더 말할래", "옆에 있어 주세요",
    "옆에 있어줘", "여기 있어줘", "같이 좀 있어줘", "곁에 있어줄래", "가지 마", "가지 마세요", "끊지 마", "대화 더 하고 싶어요",
    "이야기 나누고 싶어요", "쫌만 더 얘기하자", "너랑 얘기하고 싶어", "대화 계속하고 싶어요", "말 들어줄래요",
    "좀 더 이야기해요", "말하고 싶은데 들어줄 수 있어요", "전화했는데 안 받아요 얘기 좀 들어줘",
]  # fmt: skip
TALK_REFUSED = [
    "말하고 싶지 않아요", "더 말하기 싫어", "얘기 안 할래", "더 이야기하고 싶지 않아요", "더 얘기하고 싶지 않아",
    "이야기하기 싫어요", "얘기하기 싫다고", "말하기 싫어요", "말 안 할래요", "말 안 하고 싶어요", "말하고 싶은 게 아니에요",
    "얘기하고 싶은 마음 없어요", "더 말 안 할래", "더 할 말 없어요", "더 말할 게 없어요", "더 말할 힘이 없어요",
    "더 말해 봤자 소용없어요", "더 얘기해도 소용없어", "얘기해도 소용없어요", "말해 봤자", "말해도 몰라요 말 안 할래",
    "말하기 힘들어요", "말하기 어려워요", "얘기 그만할래요", "그만 얘기하고 싶어요", "그만 얘기하자", "그만 물어봐요",
    "이제 그만 말할래", "계속 얘기하기 싫어요", "계속 말하라고 하지 마세요", "대화하고 싶지 않아요", "대화 안 할래",
    "대답하기 싫어요", "대답 안 할래요", "말도 하고 싶지 않아", "말할 기분 아니에요", "더 말하지 않을래요",
    "얘기 들어줘도 소용없어요", "옆에 있어줘도 소용없어요",
]  # fmt: skip
SOMEONE_ELSE = [
    "제 얘기가 아니라 친구 얘기예요", "제 얘기가 아니에요", "제 이야기 아니고 친구 이야기예요", "내 얘기 아니야",
    "저 말고 제 동생이요", "나 말고 내 친구 얘긴데", "제가 아니라 언니가 그래요", "친구 얘기예요", "동생 일이에요",
    "나 말고 동생", "아는 사람 이야기예요", "저는 아니고 친구요", "ㄴㄴ 내 얘기 아님", "남 얘기예요",
]  # fmt: skip
NOT_SOMEONE_ELSE = [
    "완전 아니에요", "장난 아니에요", "장난 아니게 힘들어요", "지금 장난 아니야", "난 아니야", "저는 아니에요", "저는 아닌데요",
    "내일이 아니고 오늘이요", "나 말고 다른 사람들은 다 행복해요", "나 말고 친구들은 다 잘 지내요", "친구 얘기 아니에요",
    "친구 얘기 아니고 제 얘기예요", "친구 얘기인데 사실 제 얘기예요", "제 얘기예요", "제 얘기가 아니면 좋겠어요",
    "제 얘기가 아닌 척했어요", "저는 아니라고요", "다들 안전한데 저는 아니에요",
]  # fmt: skip


def read(text: str, **ranking: float) -> Answer:
    return READER.read(text, [{"name": name, "confidence": confidence} for name, confidence in ranking.items()])


@pytest.mark.parametrize("text", ["네, 안전해요", "이제 안전해요!!", "네 안 전 해 요", "나 안전해 걱정 마", *PLAINLY_SAFE])
def test_who_says_plainly_that_they_are_safe_is_believed(text: str) -> None:
    assert read(text) is Answer.SAFE


@pytest.mark.parametrize(
    "text",
    [
        "아니요, 안전하지 않아요", "안 안전해", "안전한지 모르겠어요", "응 근데 또 무서워", "응 나 다리 위야", "괜찮지 않아요",
        "네 안전하지 않아요", "지금 칼을 들고 있어요", "살려주세요", "네... 위험해요",
    ],
)  # fmt: skip
def test_a_word_of_danger_is_never_a_yes(text: str) -> None:
    assert read(text, affirm=0.99, crisis_safe=0.99) is Answer.NOT_SAFE


@pytest.mark.parametrize(
    "text", ["안전해지고 싶어", "안전하긴 해요", "안전해?", "괜찮아요", "안전하다고 치자", "아직은 괜찮아", "잠이 안 와요",
     "ㅠㅠ", "", "😀", "안전할까", "안전해지면 말할게요", "안전하면 뭐해요", "나만 없으면 다 안전해요",
     "이제 마음이 편해졌어요", "이제 괜찮아요 다 끝났어요"]
)  # fmt: skip
def test_what_isnt_plainly_safe_is_unclear(text: str) -> None:
    assert read(text, affirm=0.9) is Answer.UNCLEAR


@pytest.mark.parametrize("text", NOT_PLAINLY_SAFE)
def test_a_safe_that_is_denied_doubted_or_meant_otherwise_is_not_believed_however_sure_the_classifier(text: str) -> None:
    assert read(text, crisis_safe=0.99) in (Answer.UNCLEAR, Answer.NOT_SAFE)


@pytest.mark.parametrize("text", IN_DANGER)
def test_who_denies_being_safe_or_tells_of_danger_is_not_safe(text: str) -> None:
    assert read(text, crisis_safe=0.99) is Answer.NOT_SAFE


@pytest.mark.parametrize("text", DANGER_DENIED)
def test_who_only_denies_a_danger_is_asked_again(text: str) -> None:
    assert read(text, crisis_safe=0.99) is Answer.UNCLEAR


def test_bare_yes_and_no_are_read_with_their_signs() -> None:
    assert {read(text) for text in ("네", "응!!", "ㅇㅇ", "네ㅠㅠ", "넵~", " 예 . ", "네, 괜찮아요")} == {Answer.YES}
    assert {read(text) for text in ("아니요", "ㄴㄴ", "아니...", "아니에요ㅠㅠㅠㅠ")} == {Answer.NO}


def test_other_answers_are_read() -> None:
    assert {text: read(text) for text in CALLING} == dict.fromkeys(CALLING, Answer.CALLING)
    assert {text: read(text) for text in KEEP_TALKING} == dict.fromkeys(KEEP_TALKING, Answer.KEEP_TALKING)
    assert {text: read(text) for text in SOMEONE_ELSE} == dict.fromkeys(SOMEONE_ELSE, Answer.SOMEONE_ELSE)


@pytest.mark.parametrize("text", NOT_CALLING + TALK_REFUSED)
def test_who_refuses_a_call_or_to_talk_is_not_praised_for_it(text: str) -> None:
    assert read(text, keep_talking=0.9) is Answer.UNCLEAR


@pytest.mark.parametrize("text", NOT_SOMEONE_ELSE)
def test_not_me_alone_is_nobody_else(text: str) -> None:
    assert read(text) is Answer.UNCLEAR


@pytest.mark.parametrize("part", ["해도", "할게", "하고 싶은", "것게", "네나", "저네", "이제 나", "안전", "그만"])
def test_a_message_that_goes_on_and_on_holds_nobody_up(part: str) -> None:
    """One expression that may repeat what others of it are made of would try more ways than there is time for."""
    assert read(f"말{part * 300}x") in (Answer.UNCLEAR, Answer.NOT_SAFE, Answer.KEEP_TALKING)
    assert read(f"{part * 20}"[:39] + "x") is not Answer.SAFE


def test_a_word_within_another_is_not_that_word() -> None:
    assert {read(text) for text in ("여러 가지 마음이 들어요", "말하자면 길어요", "정말 하고 싶은 건 없어요")} == {
        Answer.UNCLEAR
    }


def test_where_the_words_say_nothing_the_classifier_is_asked_but_not_believed_in_safe() -> None:
    assert read("손이 떨리네요", crisis_not_safe=0.3, crisis_safe=0.2) is Answer.NOT_SAFE
    assert read("손이 떨리네요", crisis_not_safe=0.2) is Answer.UNCLEAR
    assert read("퍽이나요", crisis_safe=0.99) is Answer.UNCLEAR
    assert read("음", wellness=0.9, keep_talking=0.05) is Answer.UNCLEAR


@given(st.text())
def test_anything_can_be_read_and_only_a_safe_or_yes_word_makes_it_safe(text: str) -> None:
    answer = read(text)
    assert isinstance(answer, Answer)
    if not any(letter in text for letter in "안괜갠무위가진네넵넹넴에예옙응웅엉어ㅇ그맞물당으yo오마기") and text.isprintable():
        assert answer not in (Answer.SAFE, Answer.YES)


@given(
    st.text(max_size=10), st.sampled_from(["안전하지 않아요", "위험해요", "죽고 싶어요", "살려주세요"]), st.text(max_size=10)
)
def test_danger_anywhere_in_a_message_is_never_safe(before: str, danger: str, after: str) -> None:
    # "위험해요" must not become "위험하지 않아요" by what follows, so that is kept apart.
    assert read(f"{before} {danger} {after}", crisis_safe=0.99) not in (Answer.SAFE, Answer.YES)


@pytest.mark.parametrize(
    ("change", "word"), [({"safe": None}, "safe"), ({"maybe": ["x"]}, "maybe"), ({"safe": ["(안전"]}, "안전")]
)  # fmt: skip
def test_a_wrong_file_is_named(tmp_path: Path, change: dict[str, list[str] | None], word: str) -> None:
    answers = {**yaml.safe_load(CUES_FILE.read_text(encoding="utf-8"))["answers"], **change}
    file = tmp_path / "answers.yml"
    content = {"answers": {name: patterns for name, patterns in answers.items() if patterns}}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ValueError, match=word):
        load_cues(file)
