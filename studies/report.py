"""The page of a study: ``python -m studies.report --plan NAME`` writes ``report.md`` and figures.

It is written after each run of a study, too. Every number comes from the committed files of runs.
"""

import argparse
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from projects.SRKD.analysis.report import markdown_table, spread
from projects.SRKD.base import misuse_told, write_text
from studies.arms import Bench
from studies.claims import Claims
from studies.metrics import metric_of
from studies.paired import LEAST_PAIRS, LEVEL, PairedDifference, Verdict, pairs_needed
from studies.plan import Comparison
from studies.plan_file import read_plan
from studies.report_figures import draw_curves, draw_differences
from studies.run_store import Result, RunStore

LEAST_LEAD = 3.0  # points of a teacher over the baseline; below, a bench cannot tell
_FLAT = 1.0  # points that an arm may gain in its second half and still be called flat


class Report(Claims):
    """The page of a plan; what its results say of the claims is :class:`Claims`."""

    def write(self) -> Path:
        """Write page and figures beside the results; returns the page."""
        page = self.store.folder / 'report.md'
        write_text(page, self.text())
        return page

    def text(self) -> str:
        """The page."""
        done, planned = len(self.results), len(self.plan.runs)
        lines = [f'# {self.plan.title}', '', self.plan.question, '']
        if done < planned:
            lines += [f'**Not finished: {done} of {planned} runs.**', '']
        if self.stale:
            lines += [
                f'**{self.stale} results are left out: their config, options, data, teacher or '
                'test changed since.**',
                '',
            ]
        lines += [*self._bench(), *self._verdicts(), *self._arms(), *self._figures()]
        lines += self._source()
        return '\n'.join(lines).rstrip() + '\n'

    def _bench(self) -> list[str]:
        """Whether the teachers have something to teach."""
        base = self.scores(self.plan.baseline)
        rows = []
        for name in self.plan.teachers:
            found = self.store.read(f'teacher_{name}', 0)
            if found is None or (self.bench and self.bench.teacher_key(name) != found.key):
                continue
            score = self.metric.percent(found.metrics)
            lead = f'{score - spread(list(base.values()))["mean"]:+.2f}' if base else ''
            weak = bool(base) and score - spread(list(base.values()))['mean'] < LEAST_LEAD
            rows.append([name, f'{score:.2f}', lead, 'this bench cannot tell' if weak else ''])
        if not rows:
            return []
        header = ['teacher', self.metric.title, f'ahead of {self.plan.baseline}', '']
        return ['## Teachers', '', markdown_table(header, rows), '']

    def _verdicts(self) -> list[str]:
        lines: list[str] = []
        words = self.verdicts()
        adjusted = self.adjusted_p()
        kinds = (
            ('Claims, fixed before the run', self.plan.primary),
            ('Controls', self.plan.control),
            ('Other comparisons, without a claim', self.plan.secondary),
        )
        for title, comparisons in kinds:
            rows, told = [], []
            for of in comparisons:
                found = self.difference(of)
                if found is None:
                    continue
                rows.append([self._title(of), *_cells(found)])
                if of.name in words and comparisons is self.plan.primary:
                    rows[-1] += [f'{adjusted[of.name]:.4f}', f'**{words[of.name].value}**']
                    told += [f'- {of.name}: {text}' for text in self._remarks(of, found)]
            if not rows:
                continue
            header = ['', 'pairs', f'{self.metric.title}, mean', 'BCa 95 %', 't 95 %',
                      'pairs ahead', 'p']  # fmt: skip
            header += ['p, Holm', ''] if comparisons is self.plan.primary else []
            lines += [f'## {title}', '', markdown_table(header, rows), '']
            lines += [*told, ''] if told else []
        return lines

    def _title(self, of: Comparison) -> str:
        metric = '' if of.metric is None else f' ({metric_of(of.metric).title})'
        return f'{of.name}: {of.arm} - {of.minus}{metric}'

    def _remarks(self, claim: Comparison, found: PairedDifference) -> list[str]:
        told = self.objections(claim)
        if found.bca[1] < 0:
            told.append('the interval lies below zero: what was claimed costs')
        known = found.pairs > 1 and found.std and found.mean
        if known and self.verdicts()[claim.name] is not Verdict.SHOWN:
            told.append(
                f'spread of the pairs {found.std:.2f}; an effect of {found.mean:+.2f} needs '
                f'about {pairs_needed(found.mean, found.std)} pairs'
            )
        return told

    def _arms(self) -> list[str]:
        metrics = [metric_of(key) for key in self.plan.metrics]
        base = self._cpu(self.plan.baseline)
        rows = []
        for name in self.plan.arms:
            runs = [result for (arm, _), result in self.results.items() if arm == name]
            if not runs:
                continue
            cells = [name, str(len(runs))]
            for metric in metrics:
                cells.append(_of(list(self.scores(name, metric).values())))
            faithful = [result.fidelity for result in runs if result.fidelity]
            for key, scale in (('agreement', 100), ('kl', 1)):
                values = [scale * of[key] for of in faithful]
                cells.append(f'{spread(values)["mean"]:.2f}' if values else '')
            cpu = self._cpu(name)
            cells += [f'{cpu / 60:.1f}', f'{cpu / base:.2f}' if base else '']
            rows.append([*cells, self._flatness(name)])
        header = ['arm', 'runs', *(metric.title for metric in metrics), 'agreement with teacher, %',
                  'KL to teacher', 'CPU min', f'cost / {self.plan.baseline}', '']  # fmt: skip
        return ['## Arms', '', markdown_table(header, rows), ''] if rows else []

    def _cpu(self, arm: str) -> float:
        runs = [result for (name, _), result in self.results.items() if name == arm]
        times = [result.cpu_seconds for result in runs if result.diverged is None]
        return spread(times)['mean'] if times else 0.0

    def _flatness(self, arm: str) -> str:
        """Compare an arm with the same at half its length."""
        lost = [p for (name, p), r in self.results.items() if name == arm and r.diverged]
        told = [f'DIVERGED in pair {", ".join(map(str, sorted(lost)))}'] if lost else []
        shorter = self.plan.arms[arm].shorter
        if shorter is not None:
            found = self.difference(Comparison('', arm, shorter))
            if found is not None and found.mean > _FLAT:
                told.append(f'still climbing ({found.mean:+.1f} over {shorter})')
            elif found is not None:
                told.append(f'flat ({found.mean:+.1f} over {shorter})')
        return '; '.join(told)

    def _figures(self) -> list[str]:
        lines, folder = [], self.store.folder
        drawn = [
            (self._title(of), found)
            for of in (*self.plan.primary, *self.plan.control, *self.plan.secondary)
            if (found := self.difference(of)) is not None
        ]
        if drawn:
            draw_differences(drawn, f'{self.metric.title}, points', folder / 'differences.svg')
            lines += ['![Paired differences](differences.svg)', '']
        for number, figure in enumerate(self.plan.figures):
            name = f'curves_{number}.svg'
            curves = self.curves(number)
            if curves:
                draw_curves(figure, curves, self.metric.title, folder / name)
                lines += [f'![{figure.title}]({name})', '']
        return lines

    def curves(self, number: int) -> dict[str, dict[float, list[float]]]:
        """Scores of a figure's lines: label, place on the axis, per cent of every pair."""
        figure = self.plan.figures[number]
        curves: dict[str, dict[float, list[float]]] = {}
        for arm in self.plan.arms.values():
            first = arm.name.removesuffix(''.join(f'-{value}' for value in arm.point.values()))
            scores = list(self.scores(arm.name).values())
            if first not in figure.lines or figure.x not in arm.point or not scores:
                continue
            rest = [f'{v} {k}' for k, v in arm.point.items() if k != figure.x]
            curves.setdefault(' '.join([first, *rest]), {})[arm.point[figure.x]] = scores
        return curves

    def _source(self) -> list[str]:
        results: Sequence[Result] = list(self.results.values())
        if not results:
            return []
        hours = sum(result.seconds for result in results) / 3600
        commits = sorted({result.commit for result in results})
        codes = {result.code for result in results}
        other = [result for result in results if result.claims != self.plan.claims]
        lines = [
            '## Where it comes from',
            '',
            f'- `python -m studies.study --plan {self.plan.name}`, one thread per run; '
            f'{hours:.1f} core-hours of training',
            f'- commits of the runs: {", ".join(commits)}'
            + ('' if len(codes) == 1 else f' ({len(codes)} states of the code that trains)'),
            '- a pair shares its seed: initialization, what the options draw by it, order of the '
            'data where two arms have the same',
            f'- BCa: bootstrap interval of 10,000 samples; p: exact sign-flip test, two-sided; '
            f'*shown*: p after Holm <= {LEVEL} and the interval above zero, with at least '
            f'{LEAST_PAIRS} pairs and no objection',
        ]
        if self.plan.primary and other:
            lines.append(
                f'- **{len(other)} of {len(results)} runs were made while the plan claimed '
                'something else**'
            )
        return lines


def _of(values: Sequence[float]) -> str:
    if not values:
        return 'none'
    found = spread(values)
    if len(values) == 1:
        return f'{found["mean"]:.2f}'
    return f'{found["mean"]:.2f} +- {found["std"]:.2f}'


def _cells(found: PairedDifference) -> list[str]:
    def interval(of: tuple[float, float]) -> str:
        return '' if isnan(of[0]) else f'{of[0]:+.2f} .. {of[1]:+.2f}'

    return [
        str(found.pairs),
        f'{found.mean:+.2f}',
        interval(found.bca),
        interval(found.t),
        f'{100 * found.improvement:.0f} %',
        f'{found.p:.4f}',
    ]


def main() -> None:
    """Write the page of a plan from its results."""
    parser = argparse.ArgumentParser(description='Write the page of a study')
    parser.add_argument('--plan', required=True, help='file, or its name in studies/plans')
    parser.add_argument('--results', type=Path, help='default: studies/results/NAME')
    parser.add_argument('--data-root', type=Path, help='data of a plan that does not make its own')
    args = parser.parse_args()
    with misuse_told('report.py'):
        plan = read_plan(args.plan)
        bench = Bench(plan, Path('work_dirs') / 'studies' / plan.name, args.data_root)
        print(Report(plan, RunStore(plan, args.results), bench).write())


if __name__ == '__main__':
    main()
