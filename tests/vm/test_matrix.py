"""What the matrix makes of the guests' reports. No guest is booted."""

from pathlib import Path

import pytest

from tests.vm import matrix
from tests.vm.cli import main
from tests.vm.cpus import CPUS
from tests.vm.kernels import KERNELS
from tests.vm.matrix import Guest, Row

GUEST = Guest("6.1", "amd", ("system",))

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite>
<testcase name="test_plain" time="1.4"/>
<testcase name="test_a[real]" time="2"/>
<testcase name="test_a[real-cdp]" time="3"/>
<testcase name="test_b[4-real-cdp]" time="3"><failure message="no"/></testcase>
<testcase name="test_c[real]" time="1"><error message="fixture"/></testcase>
<testcase name="test_d[real-cdpl2-4]" time="1"/>
<testcase name="test_e[real]" time="0"><skipped message="not here"/></testcase>
</testsuite></testsuites>
"""


def test_a_row_for_each_way_to_mount(tmp_path: Path) -> None:
    (tmp_path / "system.xml").write_text(REPORT)
    assert matrix.read_report(GUEST, "system", tmp_path) == [
        Row("system", "6.1", "amd", 2, 1, 4),
        Row("system, cdp", "6.1", "amd", 1, 1, 6),
        Row("system, cdpl2", "6.1", "amd", 1, 0, 1),
    ]


def test_a_suite_without_a_report_has_failed(tmp_path: Path) -> None:
    [row] = matrix.read_report(GUEST, "system", tmp_path)
    assert (row.passed, row.failed, row.remark) == (0, 1, "did not run")


def test_a_suite_without_tests_has_failed(tmp_path: Path) -> None:
    (tmp_path / "system.xml").write_text("<testsuites><testsuite/></testsuites>")
    [row] = matrix.read_report(GUEST, "system", tmp_path)
    assert (row.passed, row.failed, row.remark) == (0, 1, "had no tests")


def test_a_report_that_is_cut_off_has_failed(tmp_path: Path) -> None:
    (tmp_path / "system.xml").write_text(REPORT[:200])
    [row] = matrix.read_report(GUEST, "system", tmp_path)
    assert (row.passed, row.failed, row.remark) == (0, 1, "has no whole report")


def test_the_table() -> None:
    rows = [Row("system", "6.1", "amd", 12, 0, 61), Row("tools", "6.12", "intel-20", 0, 1, 0, "did not run")]
    assert matrix.table(rows) == [
        "suite   kernel  CPU       passed  failed  seconds",
        "system  6.1     amd           12       0       61",
        "tools   6.12    intel-20       0       1        0  did not run",
    ]
    assert matrix.closing_line(rows) == "12 passed, 1 failed"


def test_what_the_full_matrix_has() -> None:
    assert {guest.kernel for guest in matrix.FULL} == set(KERNELS)
    assert {guest.cpu for guest in matrix.FULL} == set(CPUS)


def test_what_the_quick_form_has() -> None:
    assert {guest.kernel for guest in matrix.QUICK} == set(KERNELS)
    assert {CPUS[guest.cpu].vendor for guest in matrix.QUICK} == {"intel", "amd"}
    assert {suite for guest in matrix.QUICK for suite in guest.suites} == {*matrix.SHARED, matrix.DAEMON}
    for quick in matrix.QUICK:
        assert matrix.select(matrix.FULL, kernels=[quick.kernel], cpus=[quick.cpu], suites=quick.suites)


def test_a_part_of_it() -> None:
    found = matrix.select(matrix.FULL, kernels=["6.1"], cpus=["amd", "intel-l2"], suites=["tools", "system"])
    assert found == [Guest("6.1", "intel-l2", ["system"]), Guest("6.1", "amd", ["system", "tools"])]


@pytest.mark.parametrize(
    ("options", "limit"),
    [((), matrix.LIMIT), (("--quick",), matrix.QUICK_LIMIT), (("--quick", "--limit", "60"), 60)],
)
def test_when_guests_are_ended(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], limit: float
) -> None:
    told: list[float] = []

    def run(_guests: object, _jobs: int, limit: float) -> int:
        told.append(limit)
        return 0

    monkeypatch.setattr(matrix, "run", run)
    assert main(["matrix", *options]) == 0
    assert told == [limit]


def test_guests_that_the_matrix_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--quick", "--cpu", "intel-l2"]) == 125
    assert capsys.readouterr().err == "tests.vm: the matrix has no such guest\n"
