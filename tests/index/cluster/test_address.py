import pytest

from optical.errors import OpticalError
from optical.index.cluster.address import Address


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("qdrant://db/news", Address("qdrant", "db", 6333, "news"), "http://db:6333"),
        (
            "qdrants://db.example.org:443/news",
            Address("qdrants", "db.example.org", 443, "news"),
            "https://db.example.org:443",
        ),
        ("qdrant://[::1]:7/a%20b", Address("qdrant", "[::1]", 7, "a b"), "http://[::1]:7"),
        (
            "qdrant://db/news?shards=6&replicas=2",
            Address("qdrant", "db", 6333, "news", 6, 2),
            "http://db:6333",
        ),
    ],
)
def test_what_an_address_means(text: str, address: Address, url: str) -> None:
    assert Address.parse(text) == address
    assert address.url == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://db:6333/news", "http:// is no address of an index"),
        ("qdrant:///news", "it names no host"),
        ("qdrant://db", "'' cannot be the name of a collection"),
        ("qdrant://db/", "'' cannot be the name of a collection"),
        ("qdrant://db/a/b", "'a/b' cannot be"),
        ("qdrant://db/..", r"'\.\.' cannot be"),
        ("qdrant://db/%2e%2e", r"'\.\.' cannot be"),
        ("qdrant://db:port/news", "its host or port is none"),
        ("qdrant://db:70000/news", "its host or port is none"),
        ("qdrant://db:0/news", "its host or port is none"),
        ("qdrant://a b:1/news", "its host or port is none"),
        ("qdrant://é..x:1/news", "its host or port is none"),
        ("qdrant://a_b..c/news", "its host or port is none"),
        ("qdrant://db/news#x", "#x has no meaning"),
        ("qdrant://db/news?shards=0", "shards is '0', and not a number from 1"),
        ("qdrant://db/news?replicas=two", "replicas is 'two'"),
        ("qdrant://db/news?shards=1&shards=2", "given twice"),
        ("qdrant://db/news?replica=2", "'replica' is no option"),
    ],
)
def test_a_malformed_address_is_explained(text: str, reason: str) -> None:
    with pytest.raises(
        OpticalError, match=rf"malformed \(.*{reason}.*qdrant://HOST:6333/COLLECTION"
    ) as caught:
        Address.parse(text)
    assert text.partition("?")[0] in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "qdrant://user:hidden@db/news",
        "qdrant://hidden@db:x/news",
        "http://hidden@db/news",
        "qdrant://user:pa/hidden@db/news",
        "qdrant://db/news?api_key=hidden",
    ],
)
def test_a_key_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(OpticalError) as caught:
        Address.parse(text)
    assert "hidden" not in str(caught.value)
