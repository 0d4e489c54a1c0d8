"""Presets are what their names say: no term drowns the labels, none is inert without saying so."""

import copy

import pytest
import torch
from toy import KD, batch, build, minkunet, save_checkpoint

from projects.MiniScenes.rooms import write_scannet
from studies import preset_gradients
from studies.preset_gradients import (
    BENCHES,
    DROWNS,
    INERT,
    STUDIED,
    Ratio,
    comments,
    gradient_ratios,
    measure,
    page,
    read_table,
    table,
    terms_of,
    verdicts,
)
from studies.runs import ROOT

PRESETS = {path.stem for path in (preset_gradients._PRESETS).glob('*.py')}


def test_every_preset_is_measured_on_some_kind_of_data():
    assert {preset for bench in BENCHES for preset in bench.presets} == PRESETS - STUDIED.keys()


@pytest.mark.parametrize('preset', STUDIED)
def test_a_studied_preset_differs_from_a_measured_one_in_weights_alone(preset):
    def without_weights(name):
        terms = copy.deepcopy(terms_of(name, BENCHES[0]))
        for term in terms.values():
            term['loss'].pop('loss_weight')
            if term['loss']['type'] == 'SoftTargetKLLoss':
                term['loss'].pop('temperature')
        return terms

    assert without_weights(preset) == without_weights(STUDIED[preset])
    assert terms_of(preset, BENCHES[0]) != terms_of(STUDIED[preset], BENCHES[0])


def test_a_ratio_follows_the_weight_of_its_term(tmp_path):
    checkpoint = save_checkpoint(minkunet(8), tmp_path / 'teacher.pth', seed=1)
    ratios = []
    for weight in (0.3, 0.6):
        term = dict(KD, loss=dict(KD['loss'], loss_weight=weight))
        torch.manual_seed(0)
        model = build(
            dict(
                type='DistillSegmentor',
                student=minkunet(8),
                terms=dict(kd=term),
                teacher=dict(config=minkunet(8), checkpoint=checkpoint),
            )
        ).train()
        data = model.data_preprocessor(batch(), True)
        ratios.append(gradient_ratios(model, data)['kd'])
    assert ratios[1] == pytest.approx(2 * ratios[0], rel=1e-4) and ratios[0] > 0


def test_a_term_that_drowns_the_labels_is_named():
    (said,) = verdicts([Ratio('kd', 'rooms', 'kd', 0, 2 * DROWNS)])
    assert said == 'kd: kd on rooms after 0 steps has 20 times the gradient of the task'


def test_a_term_that_is_inert_on_some_data_is_named_unless_the_comment_of_its_preset_says_so():
    rows = [Ratio('kd', bench, 'kd', step, INERT / 2) for bench in 'ab' for step in (0, 50)]
    words = 'and its comment does not say so'
    assert verdicts(rows) == [f'kd: kd is inert on {bench} {words}' for bench in 'ab']
    later = Ratio('kd', 'b', 'kd', 90, 2 * INERT)
    assert verdicts([*rows, later]) == [f'kd: kd is inert on a {words}']
    assert 'inert' in comments('srkd_paper')
    assert verdicts([Ratio('srkd_paper', 'a', 'affinity_point', 0, INERT / 2)]) == []


def test_a_table_is_read_back():
    rows = [Ratio('kd', 'a, B', f'term_{i}', step, 0.5 * i) for i in (1, 2) for step in (0, 60)]
    assert read_table(page(rows, 'command', 'how')) == rows


def test_the_page_holds_every_preset_on_every_bench_early_and_late_and_keeps_the_rules():
    rows = read_table((ROOT / 'docs' / 'presets.md').read_text())
    wanted = {
        (preset, bench.name, term, step)
        for bench in BENCHES
        for preset in bench.presets
        for term in terms_of(preset, bench)
        for step in (0, 60)
    }
    assert {row[:4] for row in rows} == wanted
    assert verdicts(rows) == []


def test_a_weight_that_a_release_printed_is_kept_and_its_source_stands_in_the_table(monkeypatch):
    monkeypatch.setitem(preset_gradients.KEPT, ('kd', 'kd'), 'config X of the release')
    rows = [Ratio('kd', 'rooms', 'kd', 0, 2 * DROWNS)]
    assert verdicts(rows) == [] and 'config X of the release' in table(rows)


def test_at_the_start_no_preset_for_rooms_drowns_the_labels(tmp_path):
    root = write_scannet(tmp_path / 'rooms', 4, 1, seed=0, points=3000)
    bench = BENCHES[0]
    # the student's config as teacher: half a minute less
    rows = list(measure(bench, root, 100, points=300, teacher=bench.student))
    assert {row.preset for row in rows} == set(bench.presets)
    assert all(0 <= row.value <= DROWNS for row in rows), rows
    inert = {row.preset for row in rows if row.value < INERT}
    assert all('inert' in comments(preset) for preset in inert), inert
