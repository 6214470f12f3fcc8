import pytest

from roaming.ocpi.path_tree import PathTree


def test_a_target_with_its_variable_segments() -> None:
    paths: PathTree[str] = PathTree()
    paths.add("/tokens/{country_code}/{party_id}/{token_uid}", "one token")
    paths.add("/tokens", "list")
    assert paths.find("/tokens/NL/TNM/a%2Fb") == (
        "one token",
        {"country_code": "NL", "party_id": "TNM", "token_uid": "a%2Fb"},
    )
    assert paths.find("/tokens") == ("list", {})


@pytest.mark.parametrize(
    "path", ["", "/", "tokens", "/tokens/", "/tokens/NL", "/tokens/NL//1", "/tokens/a/b/c/d", "/x"]
)
def test_no_target(path: str) -> None:
    paths: PathTree[str] = PathTree()
    paths.add("/tokens", "list")
    paths.add("/tokens/{country_code}/{party_id}/{token_uid}", "one token")
    assert paths.find(path) is None


def test_a_fixed_segment_goes_before_a_variable_one_and_leaves_it_the_rest() -> None:
    paths: PathTree[str] = PathTree()
    paths.add("/{id}", "one")
    paths.add("/new", "new")
    paths.add("/new/{id}/fixed", "fixed")
    paths.add("/{id}/{part}/{piece}", "piece")
    assert paths.find("/new") == ("new", {})
    assert paths.find("/newer") == ("one", {"id": "newer"})
    assert paths.find("/new/1/fixed") == ("fixed", {"id": "1"})
    assert paths.find("/new/1/other") == ("piece", {"id": "new", "part": "1", "piece": "other"})


def test_two_targets_for_one_place_are_a_mistake() -> None:
    paths: PathTree[int] = PathTree()
    paths.add("/a/{x}", 1)
    with pytest.raises(ValueError, match="two targets"):
        paths.add("/a/{y}", 2)
