from __future__ import annotations

from pathlib import Path

import numpy as np

from components.lexical import LexicalModel

Examples = tuple[list[str], list[str]]


def fitted(examples: Examples, *left_out: np.ndarray) -> tuple[LexicalModel, list[np.ndarray], np.ndarray]:
    labels = np.unique(examples[1], return_inverse=True)[1]
    model = LexicalModel()
    return model, model.fit(examples[0], labels, 3, left_out), labels


def test_unseen_words_of_a_category_are_recognised(examples: Examples) -> None:
    model, _, _ = fitted(examples)
    scores = model.scores(["너무 우울한 하루였어요", "직장 상사 스트레스", "새벽까지 잠을 설쳤어"])
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_left_out_scores_are_those_of_a_model_without_the_texts(examples: Examples) -> None:
    groups = [np.array([0]), np.array([3, 10, 20]), np.arange(5, 15)]
    model, unseen, labels = fitted(examples, *groups)
    texts = examples[0]
    for left_out, scores in zip(groups, unseen):
        # The inverse document frequencies of the whole set are kept, as the closed form keeps them.
        kept = np.delete(np.arange(len(texts)), left_out)
        features = model._training_features.T.tocsr()
        kernel = (features[kept] @ features[kept].T).toarray() + 1
        coefficients = np.linalg.solve(kernel + model.penalty * np.eye(len(kept)), np.eye(3)[labels[kept]])
        expected = ((features[left_out] @ features[kept].T).toarray() + 1) @ coefficients
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_a_text_of_strange_words_is_like_nothing(examples: Examples) -> None:
    model, _, _ = fitted(examples)
    strange, known = model.scores(["quantum chromodynamics", "우울해요"]).max(axis=1)
    assert strange < known / 1.5


def test_a_reloaded_model_says_the_same(examples: Examples, tmp_path: Path) -> None:
    model, _, _ = fitted(examples)
    model.save(tmp_path)
    texts = ["우울하고 잠이 안 와요", "", "😀ㅠㅠ"]
    np.testing.assert_array_equal(LexicalModel.load(tmp_path).scores(texts), model.scores(texts))
