"""Medians, ratios and failures become the rows of a table."""

from speed_table import HEADER, Run, markdown, rows


def runs(system, *speeds, workload="pong"):
    return [Run(workload, system, speed) for speed in speeds]


def test_a_row_has_the_median_the_range_and_how_many_times_faster_we_are():
    table = rows([*runs("us", 3000.0, 1000.0, 2400.0), *runs("them", 800.0, 900.0, 700.0)], "us")
    assert table == [
        ("pong", "us", "2,400", "1,000 to 3,000", "3", "-"),
        ("pong", "them", "800", "700 to 900", "3", "3.00 x"),
    ]


def test_the_median_of_an_even_number_lies_between_the_middle_two():
    assert rows(runs("us", 1.0, 10.0, 20.0, 100.0), "us")[0][2] == "15"


def test_a_workload_is_compared_with_our_speed_at_it():
    table = rows(
        [*runs("us", 10.0), *runs("us", 90.0, workload="cartpole"), *runs("them", 30.0, workload="cartpole")], "us"
    )
    assert [row[-1] for row in table] == ["-", "-", "3.00 x"]


def test_failed_runs_do_not_count_but_show():
    failed = Run("pong", "them", None, "not finished after 5 s")
    assert rows([*runs("us", 6.0), *runs("them", 2.0), failed], "us")[1] == (
        "pong",
        "them",
        "2",
        "2 to 2",
        "1 of 2",
        "3.00 x",
    )
    assert rows([*runs("us", 6.0), failed], "us")[1] == (
        "pong",
        "them",
        "failed: not finished after 5 s",
        "-",
        "0 of 1",
        "-",
    )


def test_where_ours_failed_there_is_no_ratio():
    table = rows([Run("pong", "us", None, "no"), *runs("them", 2.0)], "us")
    assert [row[-1] for row in table] == ["-", "-"]


def test_where_ours_was_not_run_there_is_no_ratio():
    assert rows(runs("them", 2.0), "us")[0][-1] == "-"


def test_markdown_has_a_header_a_rule_and_cells_of_one_width():
    lines = markdown([("pong", "us", "2,400", "1 to 2", "3", "-")]).splitlines()
    assert [len({len(line) for line in lines}), len(lines)] == [1, 3]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == list(HEADER)
    rule = [cell.strip() for cell in lines[1].strip("|").split("|")]
    assert [cell.strip("-") for cell in rule] == ["", "", ":", ":", ":", ":"]


def test_a_bar_in_a_failure_does_not_end_its_cell():
    (_, _, line) = markdown([("pong", "us", "failed: a | b", "-", "0 of 1", "-")]).splitlines()
    assert line.count("|") == len(HEADER) + 1
