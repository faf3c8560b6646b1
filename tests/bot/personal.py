"""One piece of personal data of each kind, all made up, by what `bot.safety.personal_data.mask` puts in its place."""

PERSONAL = {
    "주민등록번호": "900101-1234568",
    "외국인등록번호": "900101-5234561",
    "전화번호": "010-1234-5678",
    "카드번호": "4111-1111-1111-1111",
    "계좌번호": "110-123-456789",
    "이메일": "hong.gildong@example.com",
    "주소": "서울시 강남구 테헤란로 123 4층",
}
