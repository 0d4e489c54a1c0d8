import pytest

pytest.importorskip('mmdet3d')
import projects.SRKD  # noqa: E402, F401 - applies the cures


def test_no_damage_to_what_has_a_checksum_is_read_as_another_content(benchmark):
    rows = benchmark('file_integrity').damage_found(3).splitlines()[2:]
    assert len(rows) == 8
    cells = {tuple(row.split(' | ')[:2]): row.split(' | ')[2:] for row in rows}
    for (form, damage), (refused, same, other) in cells.items():
        counts = [int(cell.split(' of ')[0]) for cell in (refused, same, other)]
        assert sum(counts) == 3, (form, damage)
        assert counts[2] == 0 or 'before torch 1.6' in form


def test_the_cost_is_told(benchmark):
    assert 'Reading a checkpoint of 5 MB, CPU time, median of 5: torch.load' in benchmark(
        'file_integrity'
    ).cost(5)
