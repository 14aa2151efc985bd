"""docs/support_matrix.md is what the tables of the laws say."""

from tests.docs import support_matrix


def test_the_committed_page_is_what_the_tables_say() -> None:
    found = support_matrix.PATH.read_text("utf-8")
    assert found == support_matrix.text(), (
        "Run `python -m tests.docs.support_matrix` and commit docs/support_matrix.md."
    )


def test_every_masked_layer_of_a_stock_one_is_on_it() -> None:
    rows = support_matrix.PATH.read_text("utf-8")
    for stock, masked in support_matrix.layers.STOCK_TO_MASKED.items():
        assert f"| {stock.__name__} |" in rows and f"`{masked.__name__}`" in rows
