"""The OPTICAL loss against exact solvers, closed forms and its definition."""

import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sentence_transformers import MultiVectorEncoder

from optical.objectives import OptimalTransportLoss, TokenPairs
from optical.objectives.optimal_transport import SpecialTokens
from optical.transport import solve

from .examples import features, joined, one_pair, padded, random_pairs

# Tokens in a plane: cosine 1 to themselves, 0 to the other, -1 to the opposite.
EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
# 60 degrees off the east: cosine 1/2, so cost 1/2.
NEAR_EAST = [0.5, 0.75**0.5]


def loss_of(model: MultiVectorEncoder, pairs: TokenPairs, **settings: Any) -> float:
    return float(OptimalTransportLoss(model, **settings).compare(pairs))


def test_equal_lengths_cost_what_the_best_assignment_costs(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(16, 14, 14)
    exact = []
    for cost in (1 - pairs.x.double() @ pairs.y.double().mT).numpy():
        exact.append(cost[linear_sum_assignment(cost)].mean())
    assert loss_of(tiny_teacher, pairs, iterations=200) == pytest.approx(np.mean(exact), abs=1e-4)


def test_other_lengths_cost_what_the_network_simplex_says(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(16, 9, 15, noise=1.0)
    uniform = np.full(9, 1 / 9), np.full(15, 1 / 15)
    costs = (1 - pairs.x.double() @ pairs.y.double().mT).numpy()
    exact = np.mean([ot.emd2(*uniform, cost) for cost in costs])
    assert loss_of(tiny_teacher, pairs, iterations=300) == pytest.approx(exact, abs=2e-3)


def test_the_gradient_is_the_plan_times_the_teacher(tiny_teacher: MultiVectorEncoder) -> None:
    """By hand: L = mean over pairs of sum_ij P_ij (1 - x_i . y_j), P constant, so dL/dy_j = -sum_i P_ij x_i / B."""
    pairs = random_pairs(4, 7, 9, noise=1.0)
    y = pairs.y.clone().requires_grad_()
    OptimalTransportLoss(tiny_teacher, eps=0.05, iterations=40).compare(replace(pairs, y=y)).backward()
    plan = solve(pairs.x, pairs.y, pairs.x_mask, pairs.y_mask, eps=0.05, iterations=40).plan
    expected = [
        [-sum(plan[p, i, j] * pairs.x[p, i] for i in range(7)) / 4 for j in range(9)] for p in range(4)
    ]
    by_hand = torch.stack([torch.stack(row) for row in expected])
    torch.testing.assert_close(y.grad, by_hand, atol=1e-7, rtol=1e-5)


def test_a_student_that_follows_the_gradient_lands_on_the_teacher(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(3, 6, 6, noise=2.0)
    loss = OptimalTransportLoss(tiny_teacher)
    y = pairs.y.clone().requires_grad_()
    optimiser = torch.optim.Adam([y], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        unit = torch.nn.functional.normalize(y, dim=-1)
        loss.compare(replace(pairs, y=unit)).backward()
        optimiser.step()
    nearest = (torch.nn.functional.normalize(y, dim=-1) @ pairs.x.mT).detach()
    assert nearest.amax(1).min() > 0.99  # every teacher token has a student token on top of it


def test_transport_takes_special_tokens_like_all_others(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = one_pair([EAST, NORTH], [NORTH, EAST], "st", "st")
    # The best plan crosses: the student's special token sits where the teacher's word is.
    assert loss_of(tiny_teacher, pairs, special_tokens="transport") == pytest.approx(0, abs=1e-6)


def test_match_compares_special_tokens_in_their_order(tiny_teacher: MultiVectorEncoder) -> None:
    # Two special tokens a side (cost 0 and 2), one word (cost 1/2): the mean over three tokens.
    pairs = one_pair([EAST, EAST, EAST], [EAST, NEAR_EAST, WEST], "sts", "sts")
    expected = (0 + 0.5 + 2) / 3
    assert loss_of(tiny_teacher, pairs, special_tokens="match") == pytest.approx(expected, abs=1e-6)


def test_match_goes_by_rank_not_by_position(tiny_teacher: MultiVectorEncoder) -> None:
    # [CLS] word word [SEP] against [CLS] word [SEP]: the second special token has another position.
    pairs = one_pair([EAST, NORTH, NORTH, WEST], [EAST, NORTH, WEST], "stts", "sts")
    assert loss_of(tiny_teacher, pairs, special_tokens="match") == pytest.approx(0, abs=1e-6)
    swapped = one_pair([EAST, NORTH, NORTH, WEST], [WEST, NORTH, EAST], "stts", "sts")
    assert loss_of(tiny_teacher, swapped, special_tokens="match") == pytest.approx(4 / 3, abs=1e-6)


def test_match_weighs_special_tokens_like_the_words_of_the_student(tiny_teacher: MultiVectorEncoder) -> None:
    # Three words at cost 1/2, one special token at cost 2.
    words = [NEAR_EAST] * 3
    pairs = one_pair([WEST, EAST, EAST], [EAST, *words], "stt", "sttt")
    expected = (3 * 0.5 + 1 * 2) / 4
    assert loss_of(tiny_teacher, pairs, special_tokens="match") == pytest.approx(expected, abs=1e-6)


def test_match_pairs_query_expansion_tokens_and_leaves_the_rest_out(tiny_teacher: MultiVectorEncoder) -> None:
    # [CLS] word [SEP] [MASK] [MASK] against [CLS] word word [SEP] [MASK]: the last [MASK] has no partner.
    teacher = [EAST, NORTH, EAST, EAST, WEST]
    student = [EAST, NORTH, NORTH, NEAR_EAST, WEST]
    pairs = one_pair(teacher, student, "stsss", "sttss")
    costs = [0, 0.5, 2]
    expected = (2 * 0 + sum(costs)) / (2 + 3)
    assert loss_of(tiny_teacher, pairs, special_tokens="match") == pytest.approx(expected, abs=1e-6)


def test_ignore_sees_words_only(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = one_pair([EAST, EAST, WEST, WEST], [WEST, NEAR_EAST, EAST, NORTH], "stss", "stss")
    assert loss_of(tiny_teacher, pairs, special_tokens="ignore") == pytest.approx(0.5, abs=1e-6)


def test_ignore_leaves_special_tokens_without_gradient(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = one_pair([EAST, EAST, WEST], [WEST, NEAR_EAST, NORTH], "sts", "sts")
    y = pairs.y.clone().requires_grad_()
    OptimalTransportLoss(tiny_teacher, special_tokens="ignore").compare(replace(pairs, y=y)).backward()
    assert y.grad is not None
    torch.testing.assert_close(y.grad, torch.tensor([[[0.0, 0], [-1, 0], [0, 0]]]))


@pytest.mark.parametrize("special_tokens", get_args(SpecialTokens))
def test_without_special_tokens_the_three_ways_are_one(
    tiny_teacher: MultiVectorEncoder, special_tokens: SpecialTokens
) -> None:
    pairs = random_pairs(4, 6, 8)
    plain = solve(pairs.x, pairs.y, pairs.x_mask, pairs.y_mask, iterations=50).cost.mean()
    assert loss_of(tiny_teacher, pairs, special_tokens=special_tokens) == pytest.approx(
        float(plain), rel=1e-5
    )


@pytest.mark.parametrize("special_tokens", ["match", "ignore"])
@pytest.mark.parametrize("empty_side", ["teacher", "student", "both"])
def test_a_pair_of_special_tokens_alone_does_not_count(
    tiny_teacher: MultiVectorEncoder, special_tokens: SpecialTokens, empty_side: str
) -> None:
    normal = one_pair([EAST, EAST, WEST], [EAST, NEAR_EAST, WEST], "sts", "sts")
    empty = one_pair(
        [EAST, EAST, WEST],
        [NORTH, NORTH, NORTH],
        "sts" if empty_side == "student" else "s-s",
        "sts" if empty_side == "teacher" else "s-s",
    )
    alone = loss_of(tiny_teacher, normal, special_tokens=special_tokens)
    together = joined(normal, empty)
    y = together.y.clone().requires_grad_()
    loss = OptimalTransportLoss(tiny_teacher, special_tokens=special_tokens).compare(replace(together, y=y))
    assert float(loss.detach()) == pytest.approx(alone, abs=1e-6)
    loss.backward()
    assert y.grad is not None
    assert y.grad.isfinite().all()
    assert not y.grad[1].any()
    assert loss_of(tiny_teacher, empty, special_tokens=special_tokens) == 0


@pytest.mark.parametrize("special_tokens", get_args(SpecialTokens))
def test_more_padding_changes_nothing(
    tiny_teacher: MultiVectorEncoder, special_tokens: SpecialTokens
) -> None:
    pairs = random_pairs(5, 7, 9)
    pairs.x_special[:, [0, -1]] = True
    pairs.y_special[:, [0, -1]] = True
    y, y_padded = pairs.y.clone().requires_grad_(), padded(pairs, 6, 4).y.clone().requires_grad_()
    loss = OptimalTransportLoss(tiny_teacher, special_tokens=special_tokens)
    plain = loss.compare(replace(pairs, y=y))
    more = loss.compare(replace(padded(pairs, 6, 4), y=y_padded))
    torch.testing.assert_close(more, plain, rtol=1e-5, atol=1e-7)
    plain.backward()
    more.backward()
    assert y.grad is not None
    assert y_padded.grad is not None
    torch.testing.assert_close(y_padded.grad[:, :9], y.grad, rtol=1e-4, atol=1e-7)
    assert not y_padded.grad[:, 9:].any()


def test_unknown_treatment_of_special_tokens_is_refused(tiny_teacher: MultiVectorEncoder) -> None:
    with pytest.raises(ValueError, match="special_tokens is 'drop'; expected one of"):
        OptimalTransportLoss(tiny_teacher, special_tokens="drop")  # type: ignore[arg-type]


def test_rare_tokens_weigh_more_where_marginals_are_idf(tiny_teacher: MultiVectorEncoder) -> None:
    """The teacher's two tokens are an equal and an opposite of the student's one: the weights are the cost."""
    pairs = one_pair([[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0]], "tt", "t")
    weighted = replace(pairs, x_weights=torch.tensor([[3.0, 1.0]]), y_weights=torch.tensor([[0.5]]))
    assert loss_of(tiny_teacher, weighted, marginals="idf") == pytest.approx(2 / 4, abs=1e-5)
    assert loss_of(tiny_teacher, weighted) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("special_tokens", get_args(SpecialTokens))
@pytest.mark.parametrize("broken", [[0], [0, 1]])
def test_a_student_that_makes_nan_does_not_look_perfect(
    tiny_teacher: MultiVectorEncoder, special_tokens: SpecialTokens, broken: list[int]
) -> None:
    pairs = random_pairs(2, 5, 6)
    y = pairs.y.clone()
    y[broken, 2] = torch.nan
    assert math.isnan(loss_of(tiny_teacher, replace(pairs, y=y), special_tokens=special_tokens))


def test_idf_needs_weights(tiny_teacher: MultiVectorEncoder) -> None:
    with pytest.raises(ValueError, match="marginals is 'idf', but the features have no weights"):
        OptimalTransportLoss(tiny_teacher, marginals="idf").compare(random_pairs(1, 3, 3))
    with pytest.raises(ValueError, match="marginals is 'rare'; expected one of"):
        OptimalTransportLoss(tiny_teacher, marginals="rare")  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"eps": 0.0}, {"eps": -1.0}, {"iterations": 0}])
def test_impossible_settings_are_refused(tiny_teacher: MultiVectorEncoder, settings: dict[str, Any]) -> None:
    pairs = random_pairs(1, 3, 3)
    with pytest.raises(ValueError, match=next(iter(settings))):
        OptimalTransportLoss(tiny_teacher, **settings).compare(pairs)


def test_the_model_card_gets_settings_and_citation(tiny_teacher: MultiVectorEncoder) -> None:
    loss = OptimalTransportLoss(tiny_teacher, eps=0.02, iterations=7, special_tokens="match", marginals="idf")
    assert loss.get_config_dict() == {
        "eps": 0.02,
        "iterations": 7,
        "special_tokens": "match",
        "marginals": "idf",
    }
    assert (
        OptimalTransportLoss(tiny_teacher, **loss.get_config_dict()).get_config_dict()
        == loss.get_config_dict()
    )
    assert loss.citation.strip().startswith("@inproceedings{huang2023improving,")
    assert loss.citation.count("{") == loss.citation.count("}")


def test_query_expansion_of_a_real_student_counts_as_special(tiny_teacher: MultiVectorEncoder) -> None:
    """Expansion tokens are scored but not text: "ignore" gives them no share of the loss."""
    plain = features(tiny_teacher, ["the river"], [4])
    tiny_teacher[0].query_expansion = {"strategy": "fixed", "attend": False, "length": 12}
    expanded = features(tiny_teacher, ["the river"], [4])
    assert expanded[0]["input_ids"].shape[1] == 12 > plain[0]["input_ids"].shape[1]
    expanded[0]["special_mask"] |= expanded[0]["query_expansion_positions"].bool()
    tiny_teacher.eval()
    ignoring = OptimalTransportLoss(tiny_teacher, special_tokens="ignore")
    torch.testing.assert_close(ignoring(expanded), ignoring(plain), rtol=1e-4, atol=1e-6)
    transporting = OptimalTransportLoss(tiny_teacher, special_tokens="transport")
    assert not torch.isclose(transporting(expanded), transporting(plain), atol=1e-3)
